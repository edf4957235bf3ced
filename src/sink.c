/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all sinks have in common: getting the bytes out. */
#include <errno.h>
#include "sink.h"

int sink__write(FILE *out, const char *s, size_t n)
{
	errno = 0;
	if (fwrite(s, 1, n, out) == n && !fflush(out))
		return 0;
	return errno ? -errno : -EIO;
}
