/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the place of a process in the cgroup tree says about the VM in it.
 *
 * libvirt's layouts (docs/cgroups.rst of libvirt), by age:
 *   .../libvirt/qemu/NAME/{emulator,vcpuN}
 *   /machine/NAME.libvirt-qemu/..., later /machine/qemu-ID-NAME.libvirt-qemu/..., both with any
 *     number of PART.partition/ between
 *   .../machine-qemu\x2dID\x2dNAME.scope/{emulator,vcpuN}, in any slice, and since 7.1.0
 *     with another level "libvirt" below the scope
 */
#include <string.h>

#include "util.h"
#include "vm_cgroup.h"

/* libvirt's limit for a machine's name, its prefix included. */
#define MACHINE_MAX 64

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t vm_cgroup__unescape(char *dst, size_t size, struct vm_span escaped)
{
	size_t i = 0, n = 0;

	while (i < escaped.len && n + 1 < size) {
		const char *p = escaped.s + i;

		if (escaped.len - i >= 4 && p[0] == '\\' && p[1] == 'x' && hex(p[2]) >= 0 &&
		    hex(p[3]) >= 0 && hex(p[2]) + hex(p[3]) > 0) {
			dst[n++] = (char)(hex(p[2]) << 4 | hex(p[3]));
			i += 4;
		} else {
			dst[n++] = *p;
			i++;
		}
	}
	dst[n] = '\0';
	return n;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* Length of "DIGITS-" at s, 0 if it is not there. */
static size_t id_prefix(const char *s)
{
	size_t n = digits(s);

	return n && s[n] == '-' ? n + 1 : 0;
}

/*
 * Where the domain's name begins in a machine's: DRIVER-ID-NAME, DRIVER-NAME (before there
 * were ids), DRIVER-USER-ID-NAME, USER-DRIVER-ID-NAME, DRIVER-embed-HASH-ID-NAME. Its end
 * where nothing of the name was left (DRIVER-ID: a name without one ASCII letter or digit).
 * 0: it is none of libvirt's VMs (its containers, those of others).
 */
static size_t machine_prefix(const char *machine)
{
	static const char *const drivers[] = {"qemu-", "ch-"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		size_t n = strlen(drivers[i]);
		const char *p = machine, *id;

		while (p && (strncmp(p, drivers[i], n) || (p != machine && !id_prefix(p + n)))) {
			p = strchr(p, '-');
			p = p ? p + 1 : NULL;
		}
		if (!p)
			continue;
		p += n;
		for (id = p; id; id = strchr(id, '-')) {
			id += *id == '-';
			if (id_prefix(id))
				return (size_t)(id - machine) + id_prefix(id);
		}
		return digits(p) && !p[digits(p)] ? strlen(machine) : (size_t)(p - machine);
	}
	return 0;
}

static bool set_machine(struct vm_cgroup *ret, struct vm_span element, bool escaped)
{
	char machine[VM_NAME_MAX];
	size_t prefix;

	if (escaped)
		vm_cgroup__unescape(machine, sizeof(machine), element);
	else
		vm_span__copy(machine, sizeof(machine), element);
	prefix = machine_prefix(machine);
	/* where machines and domains both name directories, only an id tells a machine */
	if (!escaped && prefix && !digits(machine + prefix - 1) && !digits(machine + prefix - 2))
		prefix = 0;
	if (!*machine || (escaped && !prefix))
		return false;
	strcpy(ret->machine, machine);
	strcpy(ret->hint, machine + prefix);
	ret->machine_prefix = prefix;
	return true;
}

/* Whether libvirt made that element of a path; fills in hint and machine then. */
static bool libvirt_element(struct vm_cgroup *ret, struct vm_span element, struct vm_span parent,
			    struct vm_span grandparent)
{
	static const char *const suffixes[] = {".libvirt-qemu", ".libvirt-ch"};
	size_t i;

	if (vm_span__starts(element, "machine-") &&
	    vm_span__ends(vm_span__skip(element, strlen("machine-")), ".scope")) {
		element = vm_span__skip(element, strlen("machine-"));
		element.len -= strlen(".scope");
		return set_machine(ret, element, true);
	}
	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (vm_span__ends(element, suffixes[i])) {
			element.len -= strlen(suffixes[i]);
			return set_machine(ret, element, false);
		}
	}
	if (vm_span__is(grandparent, "libvirt") &&
	    (vm_span__is(parent, "qemu") || vm_span__is(parent, "ch"))) {
		if (!element.len || !*element.s)
			return false;
		vm_span__copy(ret->machine, sizeof(ret->machine), element);
		vm_span__copy(ret->hint, sizeof(ret->hint), element);
		ret->machine_prefix = 0;
		return true;
	}
	return false;
}

static bool proxmox_element(struct vm_cgroup *ret, struct vm_span element, struct vm_span parent,
			    size_t depth)
{
	uint64_t vmid;

	if (depth != 1 || !vm_span__is(parent, "qemu.slice") || !vm_span__ends(element, ".scope"))
		return false;
	element.len -= strlen(".scope");
	if (!vm_span__uint(element, UINT32_MAX, &vmid))
		return false;
	vm_span__copy(ret->hint, sizeof(ret->hint), element);
	return true;
}

/* The jailer's EXECUTABLE/ID, by default; a parent of another name cannot be told from others. */
static bool jailer_element(struct vm_cgroup *ret, struct vm_span element, struct vm_span parent)
{
	if (!element.len || !*element.s || !vm_span__starts(parent, "firecracker") ||
	    vm_span__ends(parent, ".service") || vm_span__ends(parent, ".slice") ||
	    vm_span__ends(parent, ".scope"))
		return false;
	vm_span__copy(ret->hint, sizeof(ret->hint), element);
	return true;
}

/* A pod's own directory: "podUID" or, below systemd, "kubepods-besteffort-podUID.slice". */
static bool is_pod(struct vm_span element)
{
	return vm_span__starts(element, "pod") || memmem(element.s, element.len, "-pod", 4);
}

/* Whether the path has a known layout; fills in ret then. */
static bool parse_path(struct vm_cgroup *ret, struct vm_span path)
{
	struct vm_span rest = path, element, parent = {"", 0}, grandparent = {"", 0};
	bool kubepods = false, pod = false, user = false;
	size_t depth = 0, end = 0;

	ret->kind = VM_CGROUP_OTHER;
	if (vm_span__starts(rest, "/"))
		rest = vm_span__skip(rest, 1);
	while (vm_span__next(&rest, '/', &element)) {
		size_t here = (size_t)(element.s - path.s) + element.len;

		if (vm_span__is(element, "user.slice") || vm_span__starts(element, "user@"))
			user = true;
		if (kubepods) {
			/* up to the container, which is what follows the pod */
			end = pod && !is_pod(parent) ? end : here;
			pod = pod || is_pod(element);
		} else if (vm_span__starts(element, "kubepods")) {
			kubepods = true;
			pod = is_pod(element);
			end = here;
		} else if (proxmox_element(ret, element, parent, depth)) {
			ret->kind = VM_CGROUP_PROXMOX;
			end = here;
		} else if (libvirt_element(ret, element, parent, grandparent)) {
			ret->kind = VM_CGROUP_LIBVIRT;
			end = here;
		} else if (ret->kind == VM_CGROUP_OTHER && !rest.s &&
			   jailer_element(ret, element, parent)) {
			ret->kind = VM_CGROUP_JAILER;
			end = here;
		}
		grandparent = parent;
		parent = element;
		depth++;
	}
	if (kubepods) {
		ret->kind = VM_CGROUP_KUBEPODS;
		*ret->hint = '\0';
		*ret->machine = '\0';
		ret->machine_prefix = 0;
	}
	if (ret->kind == VM_CGROUP_OTHER)
		return false;
	ret->trusted = !user;
	vm_span__copy(ret->path, sizeof(ret->path), (struct vm_span){path.s, end});
	return true;
}

void vm_cgroup__parse(struct vm_span text, struct vm_cgroup *ret)
{
	struct vm_span line, path, best = {"", 0};
	int best_rank = 0;

	*ret = (struct vm_cgroup){.kind = VM_CGROUP_OTHER};
	while (text.len && vm_span__next(&text, '\n', &line)) {
		struct vm_span id, controllers;
		int rank;

		path = line;
		if (!vm_span__next(&path, ':', &id) || !path.s ||
		    !vm_span__next(&path, ':', &controllers) || !path.s)
			continue;
		if (vm_span__ends(path, " (deleted)"))
			path.len -= strlen(" (deleted)");
		if (parse_path(ret, path))
			return;
		if (vm_span__is(path, "/"))
			continue;
		rank = vm_span__is(id, "0") ? 3 : vm_span__is(controllers, "name=systemd") ? 2 : 1;
		if (rank > best_rank) {
			best_rank = rank;
			best = path;
		}
	}
	*ret = (struct vm_cgroup){.kind = VM_CGROUP_OTHER};
	vm_span__copy(ret->path, sizeof(ret->path), best_rank ? best : vm_span__of("/"));
}

/* libvirt's filters for machine names, oldest first. All cut at MACHINE_MAX. */
enum filter {
	FILTER_DOTS,	       /* virSystemdAppendValidMachineName: collapses dots only */
	FILTER_DROPPED_RESETS, /* dots and dashes; a dropped character ends a run of them */
	FILTER_RUNS,	       /* dots and dashes; only a character that is kept ends a run */
	FILTERS,
};

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Applies a filter to name behind a prefix of n bytes that dst begins with. */
static void filter_name(char dst[VM_NAME_MAX], size_t n, const char *name, enum filter filter)
{
	bool dashes = filter != FILTER_DOTS;
	size_t prefix = n;
	bool skip = dashes;

	for (; *name && n < MACHINE_MAX; name++) {
		if (*name == '.' || (dashes && *name == '-')) {
			if (!skip)
				dst[n++] = *name;
			skip = true;
			continue;
		}
		if (filter != FILTER_RUNS)
			skip = false;
		if (!alnum(*name) && *name != '-')
			continue;
		dst[n++] = *name;
		skip = false;
	}
	while (dashes && n > prefix && (dst[n - 1] == '-' || dst[n - 1] == '.'))
		n--;
	dst[n] = '\0';
}

bool vm_cgroup__agrees(const struct vm_cgroup *cgroup, const char *name)
{
	char made[VM_NAME_MAX];
	enum filter filter;

	/* as it is; or behind a "_", which keeps it apart from the files of a cgroup */
	if (!strcmp(cgroup->machine, name) || !strcmp(cgroup->hint, name) ||
	    (*cgroup->machine == '_' && !strcmp(cgroup->machine + 1, name)))
		return true;
	if (!cgroup->machine_prefix)
		return false;
	memcpy(made, cgroup->machine, cgroup->machine_prefix);
	for (filter = FILTER_DOTS; filter < FILTERS; filter++) {
		filter_name(made, cgroup->machine_prefix, name, filter);
		if (!strcmp(made, cgroup->machine))
			return true;
	}
	return false;
}
