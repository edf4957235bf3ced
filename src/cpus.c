/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of CPUs: see cpus.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpus.h"

#define HIGHEST 1000000 /* no kernel has so many */

int cpus__numbers_of(const char *list)
{
	size_t digits, before = strcspn(list, "\n");
	long highest;

	for (digits = 0; digits < before; digits++)
		if (!strchr("0123456789", list[before - digits - 1]))
			break;
	if (!digits)
		return -EINVAL;
	highest = strtol(list + before - digits, NULL, 10);
	return highest < HIGHEST ? (int)highest + 1 : -EINVAL;
}

int cpus__numbers(void)
{
	static int n; /* what may come does not change while a kernel runs */
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (n > 0)
		return n;
	f = fopen("/sys/devices/system/cpu/possible", "re");
	if (!f)
		return -errno;
	n = getline(&line, &size, f) > 0 ? cpus__numbers_of(line) : -EIO;
	free(line);
	fclose(f);
	return n;
}
