/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where VMs' interfaces are: see net_homes.h. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <linux/limits.h>
#include "net_homes.h"
#include "util.h"

/* Looks at VMs until all namespaces are looked through again for what was not found. */
#define LOOK_EVERY 10

bool net_homes__is_macvtap(const struct net_link *l)
{
	return !strcmp(l->kind, "macvtap") || !strcmp(l->kind, "ipvtap");
}

struct net_space *net_homes__own(const struct net_nics *n, const struct vm *vm)
{
	char path[96];
	struct stat st;

	net_nics__space_path(n, vm, path, sizeof(path));
	for (size_t i = 0; !stat(path, &st) && i < n->n_spaces; i++)
		if (n->space[i]->inode == (uint32_t)st.st_ino)
			return n->space[i];
	return NULL;
}

/* By name; a macvtap by its index, which is its device's number. */
static const struct net_link *find_link(const struct net_space *s, const struct vm_nic *nic)
{
	const struct net_link *l;

	if (!nic->ifindex)
		return net_space__by_name(s, nic->name);
	l = net_space__by_index(s, nic->ifindex);
	return l && net_homes__is_macvtap(l) ? l : NULL;
}

static bool is_tap(const struct net_link *l)
{
	return net_homes__is_macvtap(l) || !strcmp(l->kind, "tun");
}

/* In the namespace of its VMM's process. */
static const struct net_link *find_near(const struct net_nics *n, const struct vm *vm,
					const struct vm_nic *nic, struct net_space **ret)
{
	const struct net_link *l;

	*ret = net_homes__own(n, vm);
	l = *ret ? find_link(*ret, nic) : NULL;
	return l && is_tap(l) ? l : NULL;
}

static bool is_looked_for(const struct vm *vm)
{
	return vm->alive && vm->wanted && vm->number;
}

/*
 * One that may be it, in any namespace: of its kind, and no VM's by its process' namespace. A tap
 * that nobody has open has no carrier (drivers/net/tun.c, __tun_detach).
 */
static const struct net_link *find_free(const struct net_nics *n, struct vm **all, size_t n_vms,
					const struct net_space *s, const struct vm_nic *nic)
{
	const struct net_link *l = find_link(s, nic);
	struct net_space *at;

	if (!l || !is_tap(l) || (!net_homes__is_macvtap(l) && !l->carrier))
		return NULL;
	for (size_t i = 0; i < n_vms; i++)
		for (size_t k = 0; all[i]->alive && k < all[i]->n_nics; k++)
			if (find_near(n, all[i], &all[i]->nics[k], &at) == l)
				return NULL;
	return l;
}

/* Another VM's, that is not in its VMM's namespace either: one of the two would get the other's. */
static bool has_namesake(const struct net_nics *n, struct vm **all, size_t n_vms,
			 const struct vm *vm, const struct vm_nic *nic)
{
	struct net_space *at;

	for (size_t i = 0; i < n_vms; i++)
		for (size_t k = 0; all[i] != vm && all[i]->alive && k < all[i]->n_nics; k++) {
			const struct vm_nic *other = &all[i]->nics[k];

			if (other->ifindex == nic->ifindex &&
			    (nic->ifindex || !strcmp(other->name, nic->name)) &&
			    !find_near(n, all[i], other, &at))
				return true;
		}
	return false;
}

const struct net_link *net_homes__find(const struct net_nics *n, struct vm **all, size_t n_vms,
				       const struct vm *vm, const struct vm_nic *nic,
				       struct net_space **ret_space)
{
	const struct net_link *l = find_near(n, vm, nic, ret_space);

	if (l)
		return l;
	*ret_space = NULL;
	if (has_namesake(n, all, n_vms, vm, nic))
		return NULL;
	for (size_t i = 0; i < n->n_spaces; i++) { /* the first is kvmscope's own */
		const struct net_link *in = !i || n->space[i]->third
						    ? find_free(n, all, n_vms, n->space[i], nic)
						    : NULL;

		if (!in)
			continue;
		n->space[i]->in_use = true; /* as long as it may be it */
		if (l)
			return NULL; /* which of the two? */
		l = in;
		*ret_space = n->space[i];
	}
	return l;
}

/* --- all namespaces that there are */

struct search {
	struct net_nics *n;
	struct vm **all;
	size_t n_vms;
	ino_t *seen; /* inodes of namespaces that have been looked through */
	size_t n_seen;
};

static bool has_missing(const struct search *f, const struct net_space *s)
{
	struct net_space *at;

	for (size_t i = 0; i < f->n_vms; i++)
		for (size_t k = 0; is_looked_for(f->all[i]) && k < f->all[i]->n_nics; k++) {
			const struct vm_nic *nic = &f->all[i]->nics[k];

			if (!find_near(f->n, f->all[i], nic, &at) &&
			    find_free(f->n, f->all, f->n_vms, s, nic))
				return true;
		}
	return false;
}

static bool is_seen(struct search *f, ino_t inode)
{
	for (size_t i = 0; i < f->n_seen; i++)
		if (f->seen[i] == inode)
			return true;
	f->seen = xreallocarray(f->seen, f->n_seen + 1, sizeof(*f->seen));
	f->seen[f->n_seen++] = inode;
	return false;
}

static void look_into(struct search *f, const char *path)
{
	struct net_space *s;
	struct stat st;

	if (stat(path, &st) || is_seen(f, st.st_ino))
		return;
	s = net_space__open(path);
	if (!s)
		return;
	if (!net_space__read(s) && has_missing(f, s)) {
		s->third = s->in_use = true;
		net_nics__adopt(f->n, s);
	} else {
		net_space__close(s);
	}
}

/* Those of a directory's files whose names begin with a digit, or of all. */
static void look_through(struct search *f, const char *dir, bool numbers, const char *below)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[PATH_MAX];

	while (d && (e = readdir(d))) {
		if (*e->d_name == '.' || (numbers && !isdigit((unsigned char)*e->d_name)))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, e->d_name, below);
		look_into(f, path);
	}
	if (d)
		closedir(d);
}

static size_t count_missing(const struct net_nics *n, struct vm **all, size_t n_vms,
			    size_t *ret_elsewhere)
{
	struct net_space *at;
	size_t missing = 0;

	*ret_elsewhere = 0;
	for (size_t i = 0; i < n_vms; i++)
		for (size_t k = 0; is_looked_for(all[i]) && k < all[i]->n_nics; k++) {
			missing += !net_homes__find(n, all, n_vms, all[i], &all[i]->nics[k], &at);
			*ret_elsewhere += !find_near(n, all[i], &all[i]->nics[k], &at);
		}
	return missing;
}

void net_homes__look(struct net_nics *n, struct vm **all, size_t n_vms, bool again)
{
	struct search f = {.n = n, .all = all, .n_vms = n_vms};
	size_t elsewhere, missing = count_missing(n, all, n_vms, &elsewhere);

	/* kvmscope's own namespace may have one of that name, and others, too */
	if (!(again ? elsewhere : missing) ||
	    (!again && missing == n->missing && ++n->looks < LOOK_EVERY)) {
		n->missing = missing;
		return;
	}
	n->looks = 0;
	for (size_t i = 0; i < n->n_spaces; i++) {
		is_seen(&f, n->space[i]->inode);
		n->space[i]->third |= has_missing(&f, n->space[i]);
	}
	look_through(&f, "/run/netns", false, "");
	look_through(&f, n->proc_root, true, "/ns/net");
	free(f.seen);
	n->missing = count_missing(n, all, n_vms, &elsewhere);
}
