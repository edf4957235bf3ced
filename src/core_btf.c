/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copies types from one BTF to another: see core_btf.h. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "core_btf.h"
#include "features.h"
#include "util.h"

#ifndef MFD_NOEXEC_SEAL /* v6.3; Debian 12 has older headers */
#define MFD_NOEXEC_SEAL 8U
#endif

#define ROOM (1 << 20) /* several times what they take */

/* A name that is looked for, without a flavor ("task_struct___before_5_14"). */
struct name {
	const char *text;
	size_t len;
	const struct btf *in; /* where it was found */
};

struct copy {
	const struct btf *from;
	struct btf *to;
	__u32 *id; /* by id in `from`; 0: not copied */
};

static int by_text(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t len = MIN(x->len, y->len);
	int order = memcmp(x->text, y->text, len);

	return order ?: (x->len > y->len) - (x->len < y->len);
}

static const char *name_of(const struct btf *btf, __u32 id)
{
	return btf__name_by_offset(btf, btf__type_by_id(btf, id)->name_off);
}

/* All structs of the object's, at which its relocations begin, sorted. */
static struct name *names_of(const struct btf *local, size_t *ret_n)
{
	__u32 n_types = btf__type_cnt(local);
	struct name *names = xcalloc(n_types, sizeof(*names));
	size_t n = 0, kept = 0;
	const char *flavor;

	for (__u32 id = 1; id < n_types; id++) {
		const struct btf_type *t = btf__type_by_id(local, id);
		const char *text = name_of(local, id);

		if (!btf_is_struct(t) || !*text)
			continue;
		flavor = strstr(text, "___");
		names[n].text = text;
		names[n++].len = flavor ? (size_t)(flavor - text) : strlen(text);
	}
	qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 0; i < n; i++)
		if (!kept || by_text(&names[kept - 1], &names[i]))
			names[kept++] = names[i];
	*ret_n = kept;
	return names;
}

static int copy_type(struct copy *c, __u32 id);

/* Copies the type that another refers to, and makes that one's copy refer to it, at an offset. */
static int copy_ref(struct copy *c, __u32 ref, __u32 to, size_t at)
{
	int copied = copy_type(c, ref);

	if (copied < 0)
		return copied;
	/* the copies may have moved */
	*(__u32 *)((char *)btf__type_by_id(c->to, to) + at) = copied;
	return 0;
}

static int copy_parts(struct copy *c, const struct btf_type *t, __u32 to)
{
	const struct btf_member *m;
	int err = 0;

	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		m = btf_members(t);
		for (int i = 0; i < btf_vlen(t) && !err; i++)
			err = copy_ref(c, m[i].type, to,
				       sizeof(*t) + i * sizeof(*m) +
					       offsetof(struct btf_member, type));
		return err;
	case BTF_KIND_ARRAY:
		err = copy_ref(c, btf_array(t)->type, to,
			       sizeof(*t) + offsetof(struct btf_array, type));
		if (err)
			return err;
		return copy_ref(c, btf_array(t)->index_type, to,
				sizeof(*t) + offsetof(struct btf_array, index_type));
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return copy_ref(c, t->type, to, offsetof(struct btf_type, type));
	default:
		return 0;
	}
}

/* Returns the copy's id, or -errno. Relocations end at a pointer: what it points to is left out. */
static int copy_type(struct copy *c, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(c->from, id);
	int to, err;

	if (!id || c->id[id])
		return id ? (int)c->id[id] : 0;
	to = btf_is_ptr(t) ? btf__add_ptr(c->to, 0) : btf__add_type(c->to, c->from, t);
	if (to < 0)
		return to;
	c->id[id] = to;
	err = copy_parts(c, t, to);
	return err ?: to;
}

/* Copies a struct, before all others, to the id that it has. */
static int copy_in_place(struct copy *c, const __u32 *ids, size_t n, const char *name)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(name_of(c->from, ids[i]), name))
			continue;
		while (err >= 0 && btf__type_cnt(c->to) < ids[i])
			err = btf__add_ptr(c->to, 0);
		return err < 0 ? err : copy_type(c, ids[i]);
	}
	return 0;
}

/* Copies those structs of one BTF that are looked for and were in none before. */
static int copy_structs(struct copy *c, const __u32 *ids, size_t n, struct name *names,
			size_t n_names)
{
	struct name *hit, key = {};
	int copied = 0;

	for (size_t i = 0; i < n && copied >= 0; i++) {
		key.text = name_of(c->from, ids[i]);
		key.len = strlen(key.text);
		hit = bsearch(&key, names, n_names, sizeof(*names), by_text);
		if (!hit || (hit->in && hit->in != c->from))
			continue;
		hit->in = c->from;
		copied = copy_type(c, ids[i]);
	}
	return copied < 0 ? copied : 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	ssize_t n;

	for (; size; data += n, size -= n) {
		n = write(fd, data, size);
		if (n < 0)
			return -errno;
	}
	return 0;
}

int core_btf__write(const struct features *f, const struct btf *local, bool kvm,
		    const char *keep_id, int fd)
{
	struct copy c = {.to = btf__new_empty()};
	size_t n_names, n, all, base = 0;
	const void *data;
	struct name *names;
	const __u32 *ids;
	int err = 0;
	__u32 size;

	if (!c.to)
		return -errno;
	names = names_of(local, &n_names);
	for (size_t i = 0; !err && (!i || kvm) && features__structs(f, i, &c.from, &ids, &n); i++) {
		if (!c.from)
			continue;
		all = btf__type_cnt(c.from);
		c.id = xreallocarray(c.id, all, sizeof(*c.id));
		memset(c.id + base, 0, (all - base) * sizeof(*c.id));
		if (!base) { /* vmlinux: modules' ids go on from there */
			base = all;
			err = copy_in_place(&c, ids, n, keep_id);
		}
		if (err >= 0)
			err = copy_structs(&c, ids, n, names, n_names);
	}
	if (!err && !base)
		err = -ENODATA;
	if (!err) {
		data = btf__raw_data(c.to, &size);
		err = data ? write_all(fd, data, size) : -ENOMEM;
	}
	free(c.id);
	free(names);
	btf__free(c.to);
	return err;
}

void core_btf__open(struct core_btf_file *types, const struct features *f)
{
	*types = (struct core_btf_file){.fd = -1};
	if (!f->vmlinux_btf)
		return;
	/* without the flag a host may refuse it (vm.memfd_noexec), and others log it: v6.3 */
	types->fd = memfd_create("kvmscope-types", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (types->fd < 0 && errno == EINVAL)
		types->fd = memfd_create("kvmscope-types", MFD_CLOEXEC);
	if (types->fd >= 0 && ftruncate(types->fd, ROOM)) /* RLIMIT_FSIZE */
		core_btf__close(types);
	if (types->fd < 0)
		return;
	snprintf(types->name, sizeof(types->name), "/proc/self/fd/%d", types->fd);
	types->path = types->name;
}

int core_btf__fill(const struct core_btf_file *types, const struct features *f,
		   const struct btf *local)
{
	if (types->fd < 0)
		return 0;
	if (ftruncate(types->fd, 0) || lseek(types->fd, 0, SEEK_SET) < 0)
		return -errno;
	return core_btf__write(f, local, f->kvm_types, "timespec64", types->fd);
}

void core_btf__close(struct core_btf_file *types)
{
	if (types->fd >= 0)
		close(types->fd);
	types->fd = -1;
}
