/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a path is in memory, as the first process' list of mounts says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "disk_mounts.h"
#include "host_tree.h"

static void write_list(const struct host *host, const char *of, const char *type)
{
	char *text = xasprintf("25 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
			       "26 25 0:21 / /run rw - %s none rw\n",
			       type);

	host__write(host__path(host, "proc/%s/mountinfo", of), text, strlen(text), false);
	free(text);
}

static bool in_memory(const struct host *host, const char *path)
{
	struct disk_mounts *mounts = disk_mounts__new(host->roots.proc);
	bool first = disk_mounts__in_memory(mounts, path);

	assert_int_equal(disk_mounts__in_memory(mounts, path), first); /* as it is remembered */
	disk_mounts__free(mounts);
	return first;
}

static void test_types(void **state)
{
	struct host host;

	host__init(&host);
	write_list(&host, "1", "tmpfs");
	assert_true(in_memory(&host, "/run/image"));
	assert_false(in_memory(&host, "/var/image"));
	write_list(&host, "1", "ramfs");
	assert_true(in_memory(&host, "/run/image"));
	write_list(&host, "1", "nfs4");
	assert_false(in_memory(&host, "/run/image"));
	host__clear(&host);
}

/* The first process' list is the host's; our own, where that can't be had. */
static void test_whose_list(void **state)
{
	struct host host;

	host__init(&host);
	assert_false(in_memory(&host, "/run/image"));
	write_list(&host, "self", "tmpfs");
	assert_true(in_memory(&host, "/run/image"));
	write_list(&host, "1", "ext4");
	assert_false(in_memory(&host, "/run/image"));
	host__clear(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_whose_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
