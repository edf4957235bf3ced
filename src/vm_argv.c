/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a VMM's command line says.
 */
#include <string.h>

#include "util.h"
#include "vm_argv.h"

enum vm_vmm vm_argv__vmm(struct vm_span exe)
{
	static const struct {
		const char *prefix;
		enum vm_vmm vmm;
	} known[] = {
		{"qemu-system-", VM_VMM_QEMU},
		{"qemu-kvm", VM_VMM_QEMU},
		{"firecracker", VM_VMM_FIRECRACKER}, /* releases are called firecracker-vX-ARCH */
		{"cloud-hypervisor", VM_VMM_CLOUD_HYPERVISOR},
		{"crosvm", VM_VMM_CROSVM},
	};
	struct vm_span base = vm_span__base(exe);
	size_t i;

	if (vm_span__starts(base, ".")) /* wrappers keep the program as .NAME-wrapped */
		base = vm_span__skip(base, 1);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (vm_span__starts(base, known[i].prefix))
			return known[i].vmm;
	return vm_span__is(base, "kvm") || vm_span__is(base, "qemu") ? VM_VMM_QEMU : VM_VMM_OTHER;
}

/*
 * QEMU's own reading of a value (util/qemu-option.c): it ends at a comma that stands alone.
 * Takes it off rest, and that comma too.
 */
static struct vm_span qemu_value(struct vm_span *rest, char *buf, size_t size)
{
	size_t i = 0, n = 0;

	while (i < rest->len) {
		if (rest->s[i] == ',') {
			i++;
			if (i == rest->len || rest->s[i] != ',')
				break;
		}
		if (n < size)
			buf[n++] = rest->s[i];
		i++;
	}
	*rest = vm_span__skip(*rest, i);
	return (struct vm_span){buf, n};
}

/*
 * Takes the next KEY=VALUE off an argument of QEMU's; a value without a key comes with the
 * implied key when it is the first, and as a key without a value otherwise.
 */
static bool qemu_option(struct vm_span *rest, const char *implied, struct vm_span *ret_key,
			struct vm_span *ret_value, char *buf, size_t size)
{
	size_t n = 0;

	if (!rest->len)
		return false;
	while (n < rest->len && rest->s[n] != '=' && rest->s[n] != ',')
		n++;
	*ret_key = (struct vm_span){rest->s, n};
	*ret_value = (struct vm_span){buf, 0};
	if (n < rest->len && rest->s[n] == '=') {
		*rest = vm_span__skip(*rest, n + 1);
		*ret_value = qemu_value(rest, buf, size);
	} else if (implied) {
		*ret_key = vm_span__of(implied);
		*ret_value = qemu_value(rest, buf, size);
	} else {
		*rest = vm_span__skip(*rest, n + 1);
	}
	return true;
}

bool vm_argv__qemu_name(char dst[VM_NAME_MAX], struct vm_span value)
{
	char buf[VM_NAME_MAX + 4]; /* a little more, so that the cut is seen as one */
	struct vm_span key, text;
	const char *implied = "guest";
	bool found = false;

	while (qemu_option(&value, implied, &key, &text, buf, sizeof(buf))) {
		implied = NULL;
		if (vm_span__is(key, "guest") && text.len && *text.s) {
			vm_span__copy(dst, VM_NAME_MAX, text);
			found = true;
		}
	}
	return found;
}

/* The uuid in "...,uuid=U,...", as -smbios of QEMU and --platform of Cloud Hypervisor take it. */
static void uuid_option(char dst[VM_UUID_LEN], struct vm_span value)
{
	char buf[VM_UUID_LEN];
	struct vm_span key, text;

	while (qemu_option(&value, NULL, &key, &text, buf, sizeof(buf)))
		if (vm_span__is(key, "uuid"))
			vm_span__uuid(dst, text);
}

static void set_name(struct vm_argv *ret, struct vm_span value)
{
	if (value.len && *value.s)
		vm_span__copy(ret->name, sizeof(ret->name), value);
}

/*
 * A name out of the path of a VMM's control socket: /run/ch/web1.sock is web1. Where the file
 * only says what it is, the directory tells: /run/vc/vm/ID/clh-api.sock is ID.
 */
static void name_from_socket(struct vm_argv *ret, struct vm_span path)
{
	static const char *const suffixes[] = {".socket", ".sock", "-socket", "-api", "_api"};
	static const char *const generic[] = {"api", "ch",	    "clh",    "cloud-hypervisor",
					      "vmm", "vm",	    "sock",   "crosvm",
					      "fc",  "firecracker", "socket", "control"};
	static const char *const nobody[] = {"", "run", "tmp", "var", "vm", "vms"};
	struct vm_span base = vm_span__base(path);
	struct vm_span dir = {path.s, path.len - base.len};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (vm_span__ends(base, suffixes[i]))
			base.len -= strlen(suffixes[i]);
	for (i = 0; i < ARRAY_SIZE(generic); i++)
		if (vm_span__is(base, generic[i]))
			base.len = 0;
	if (!base.len && dir.len) {
		dir.len--;
		base = vm_span__base(dir);
		for (i = 0; i < ARRAY_SIZE(nobody); i++)
			if (vm_span__is(base, nobody[i]))
				return;
	}
	set_name(ret, base);
}

/*
 * Whether arg is the option name, as "-name" or "--name"; its value is what follows a "=", or
 * else the element after it, which is taken off rest.
 */
static bool option(struct vm_span arg, const char *name, struct vm_span *rest,
		   struct vm_span *ret_value)
{
	if (!vm_span__starts(arg, "-"))
		return false;
	arg = vm_span__skip(arg, vm_span__starts(arg, "--") ? 2 : 1);
	if (!vm_span__starts(arg, name))
		return false;
	arg = vm_span__skip(arg, strlen(name));
	if (vm_span__starts(arg, "=")) {
		*ret_value = vm_span__skip(arg, 1);
		return true;
	}
	return !arg.len && vm_span__next(rest, '\0', ret_value);
}

static void qemu_argument(struct vm_argv *ret, struct vm_span arg, struct vm_span *rest)
{
	struct vm_span value;

	if (option(arg, "name", rest, &value))
		vm_argv__qemu_name(ret->name, value);
	else if (option(arg, "uuid", rest, &value))
		vm_span__uuid(ret->uuid, value);
	else if (option(arg, "smbios", rest, &value) && !*ret->uuid)
		uuid_option(ret->uuid, value);
}

static void firecracker_argument(struct vm_argv *ret, struct vm_span arg, struct vm_span *rest,
				 struct vm_span *socket)
{
	struct vm_span value;

	if (option(arg, "id", rest, &value))
		set_name(ret, value);
	else if (option(arg, "api-sock", rest, &value))
		*socket = value;
}

static void cloud_hypervisor_argument(struct vm_argv *ret, struct vm_span arg, struct vm_span *rest,
				      struct vm_span *socket)
{
	struct vm_span value;

	if (option(arg, "api-socket", rest, &value)) {
		if (vm_span__starts(value, "path="))
			value = vm_span__skip(value, strlen("path="));
		if (!vm_span__starts(value, "fd="))
			vm_span__next(&value, ',', socket);
	} else if (option(arg, "platform", rest, &value)) {
		uuid_option(ret->uuid, value);
	}
}

static void crosvm_argument(struct vm_argv *ret, struct vm_span arg, struct vm_span *rest,
			    struct vm_span *socket)
{
	struct vm_span value;

	if (option(arg, "name", rest, &value))
		set_name(ret, value);
	else if (option(arg, "socket", rest, &value) || option(arg, "s", rest, &value))
		*socket = value;
}

/* Any other VMM: kvmtool says "--name NAME", some copy QEMU's "-name guest=NAME". */
static void other_argument(struct vm_argv *ret, struct vm_span arg, struct vm_span *rest)
{
	bool as_qemu = vm_span__is(arg, "-name");
	struct vm_span value;

	if (!option(arg, "name", rest, &value))
		return;
	if (as_qemu)
		vm_argv__qemu_name(ret->name, value);
	else
		set_name(ret, value);
}

void vm_argv__parse(struct vm_span argv, const char *exe, struct vm_argv *ret)
{
	struct vm_span arg, socket = {"", 0};

	*ret = (struct vm_argv){.vmm = vm_argv__vmm(vm_span__of(exe))};
	if (!argv.len || !vm_span__next(&argv, '\0', &arg))
		return;
	if (ret->vmm == VM_VMM_OTHER)
		ret->vmm = vm_argv__vmm(arg);
	while (vm_span__next(&argv, '\0', &arg)) {
		switch (ret->vmm) {
		case VM_VMM_QEMU:
			qemu_argument(ret, arg, &argv);
			break;
		case VM_VMM_FIRECRACKER:
			firecracker_argument(ret, arg, &argv, &socket);
			break;
		case VM_VMM_CLOUD_HYPERVISOR:
			cloud_hypervisor_argument(ret, arg, &argv, &socket);
			break;
		case VM_VMM_CROSVM:
			crosvm_argument(ret, arg, &argv, &socket);
			break;
		case VM_VMM_OTHER:
			other_argument(ret, arg, &argv);
			break;
		}
	}
	if (!*ret->name && socket.len)
		name_from_socket(ret, socket);
}

/* Whether path is in argv, set off on both sides, and behind key where that is not "". */
static bool has_path(struct vm_span argv, const char *key, const char *path)
{
	size_t len = strlen(path);
	struct vm_span rest = argv;

	while (len && rest.len >= len) {
		const char *hit = memmem(rest.s, rest.len, path, len);
		size_t before, after;

		if (!hit)
			return false;
		before = (size_t)(hit - argv.s);
		after = before + len;
		if ((!before || memchr("\0=,:\"", hit[-1], 5)) &&
		    (after == argv.len || memchr("\0,:\"", hit[len], 4)) &&
		    vm_span__ends((struct vm_span){argv.s, before}, key))
			return true;
		rest = (struct vm_span){hit + 1, argv.len - before - 1};
	}
	return false;
}

bool vm_argv__has_file(struct vm_span argv, const char *path)
{
	return has_path(argv, "", path);
}

bool vm_argv__has_memory(struct vm_span argv, const char *path)
{
	return has_path(argv, "mem-path=", path);
}
