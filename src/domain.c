/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of domains: what DOMAIN() put into its section. */
#include <string.h>
#include "domain.h"

extern const struct domain *const __start_ks_domains[], *const __stop_ks_domains[];

const struct domain *domain__find(const char *name)
{
	for (const struct domain *const *d = __start_ks_domains; d < __stop_ks_domains; d++)
		if (!strcmp((*d)->name, name))
			return *d;
	return NULL;
}
