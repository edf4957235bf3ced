/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every host in fixtures/hosts: are its VMs found, and all of them called as they should be?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>

#include "host_tree.h"

/* Directory entries come in any order: a VM's interfaces and disks are sorted for comparison. */
static int compare_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort_devices(struct vms *vms)
{
	struct vm **all;
	size_t n = vms__all(vms, &all), i, k;

	for (i = 0; i < n; i++) {
		/* libvirt's come in libvirt's order */
		if (!strcmp(all[i]->name_source, "libvirt"))
			continue;
		if (all[i]->n_nics)
			qsort(all[i]->nics, all[i]->n_nics, sizeof(*all[i]->nics), compare_text);
		for (k = 1; k < all[i]->n_disks; k++)
			while (k &&
			       strcmp(all[i]->disks[k - 1].source, all[i]->disks[k].source) > 0) {
				struct vm_disk swap = all[i]->disks[k];

				all[i]->disks[k] = all[i]->disks[k - 1];
				all[i]->disks[--k] = swap;
			}
	}
}

static void test_host(void **state)
{
	const char *path = *state;
	struct host host;
	struct vms *vms;
	char *expect, *got;

	host__init(&host);
	expect = host__build(&host, path);
	vms = vms__open(&host.roots);
	assert_true(vms__rescan(vms) >= 0);
	sort_devices(vms);
	got = host__render(&host, vms);
	assert_string_equal(got, expect);
	free(got);

	/* a second look changes nothing */
	assert_true(vms__rescan(vms) >= 0);
	sort_devices(vms);
	got = host__render(&host, vms);
	assert_string_equal(got, expect);
	free(got);
	free(expect);
	vms__close(vms);
	host__clear(&host);
}

int main(void)
{
	const char *fixtures = getenv("KVMSCOPE_FIXTURES");
	char *pattern = xasprintf("%s/hosts/*.host", fixtures ? fixtures : "tests/unit/fixtures");
	struct CMUnitTest *tests;
	glob_t found;
	size_t i;
	int failed;

	if (glob(pattern, 0, NULL, &found)) {
		fprintf(stderr, "no hosts: %s\n", pattern);
		return 1;
	}
	tests = xcalloc(found.gl_pathc, sizeof(*tests));
	for (i = 0; i < found.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){.name = strrchr(found.gl_pathv[i], '/') + 1,
					       .test_func = test_host,
					       .initial_state = found.gl_pathv[i]};
	failed = _cmocka_run_group_tests("vm_hosts", tests, found.gl_pathc, NULL, NULL);
	globfree(&found);
	free(tests);
	free(pattern);
	return failed;
}
