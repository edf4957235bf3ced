/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A host made of plain files: builds /proc, /sys and /run as kvmscope sees them below a
 * temporary directory, from a description of some lines. fixtures/hosts/README has its syntax.
 */
#ifndef KVMSCOPE_HOST_TREE_H
#define KVMSCOPE_HOST_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "vms.h"

struct host {
	char root[64];
	char paths[3][80];
	struct vms_roots roots;
	int pid; /* of the process that is being described */
};

static inline void host__fail(const char *what, const char *path)
{
	fprintf(stderr, "host tree: %s %s: %s\n", what, path, strerror(errno));
	abort();
}

static inline void host__mkdirs(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			host__fail("mkdir", path);
		*slash = '/';
	}
}

/* Path of something in the tree, with its directories made. To be freed. */
__attribute__((format(printf, 2, 3))) static inline char *host__path(const struct host *host,
								     const char *fmt, ...)
{
	char rest[1024], *path;
	va_list args;

	va_start(args, fmt);
	vsnprintf(rest, sizeof(rest), fmt, args);
	va_end(args);
	path = xasprintf("%s/%s", host->root, rest);
	host__mkdirs(path);
	return path;
}

/* Writes size bytes to a file, behind what is in it if append. Frees path. */
static inline void host__write(char *path, const char *data, size_t size, bool append)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		host__fail("write", path);
	free(path);
}

static inline void host__append_line(char *path, const char *line)
{
	char *text = xasprintf("%s\n", line);

	host__write(path, text, strlen(text), true);
	free(text);
}

static inline void host__link(char *path, const char *target)
{
	unlink(path);
	if (symlink(target, path))
		host__fail("symlink", path);
	free(path);
}

/* flags: the field of /proc/PID/stat, include/linux/sched.h's PF_. */
#define HOST_PROCESS 0x00400100
#define HOST_EXITING 0x00400104
#define HOST_KTHREAD 0x00208040

static inline void host__stat(const struct host *host, int pid, const char *comm,
			      unsigned int flags, unsigned long long start)
{
	char *text =
		xasprintf("%d (%s) S 1 %d %d 0 -1 %u 100 0 0 0 5 5 0 0 20 0 4 0 %llu 364011520 "
			  "8329 18446744073709551615 1 1 0 0 0 0 268444224 4100 16963 0 0 0 17\n",
			  pid, comm, pid, pid, flags, start);

	host__write(host__path(host, "proc/%d/stat", pid), text, strlen(text), false);
	free(text);
}

/* Starts a process: what follows describes it. */
static inline void host__process(struct host *host, int pid, unsigned long long start,
				 const char *comm)
{
	char *status = xasprintf("Name:\t%s\nTgid:\t%d\n", comm, pid);

	host->pid = pid;
	host__stat(host, pid, comm, HOST_PROCESS, start);
	host__write(host__path(host, "proc/%d/status", pid), status, strlen(status), false);
	free(host__path(host, "proc/%d/fd/x", pid));
	free(host__path(host, "proc/%d/fdinfo/x", pid));
	free(host__path(host, "proc/%d/task/%d/x", pid, pid));
	host__write(host__path(host, "proc/%d/cmdline", pid), "", 0, true);
	host__write(host__path(host, "proc/%d/cgroup", pid), "", 0, true);
	free(status);
}

/* text with "@/" at its first place replaced by the tree's root, and "@UID" by our uid. */
static inline char *host__expand(const struct host *host, const char *text)
{
	const char *root = strstr(text, "@/"), *uid = strstr(text, "@UID");

	if (uid)
		return xasprintf("%.*s%u%s", (int)(uid - text), text, getuid(), uid + 4);
	if (root)
		return xasprintf("%.*s%s%s", (int)(root - text), text, host->root, root + 1);
	return xstrdup(text);
}

static inline void host__arg(const struct host *host, const char *arg)
{
	char *full = host__expand(host, arg);

	host__write(host__path(host, "proc/%d/cmdline", host->pid), full, strlen(full) + 1, true);
	free(full);
}

static inline void host__fd(const struct host *host, int fd, const char *target)
{
	char *full = host__expand(host, target);

	host__link(host__path(host, "proc/%d/fd/%d", host->pid, fd), full);
	free(full);
}

static inline void host__thread(const struct host *host, int tid, const char *name)
{
	host__append_line(host__path(host, "proc/%d/task/%d/comm", host->pid, tid), name);
}

static inline int host__unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* what: a path in the tree, NULL for all of it. */
static inline void host__remove(const struct host *host, const char *what)
{
	char *path = what ? xasprintf("%s/%s", host->root, what) : xstrdup(host->root);

	if (nftw(path, host__unlink, 16, FTW_DEPTH | FTW_PHYS))
		host__fail("remove", path);
	free(path);
}

/* A process that ends, and at once another one with its pid: the directory is another one. */
static inline void host__replace_process(struct host *host, int pid, unsigned long long start,
					 const char *comm)
{
	char *old = xasprintf("%s/proc/%d", host->root, pid);
	char *aside = xasprintf("%s/before-%d-%llu", host->root, pid, start);

	if (rename(old, aside))
		host__fail("rename", old);
	host__process(host, pid, start, comm);
	free(old);
	free(aside);
}

static inline void host__init(struct host *host)
{
	static const char *const names[] = {"proc", "sys", "run"};
	const char *tmp = getenv("TMPDIR");
	size_t i;

	*host = (struct host){.pid = 0};
	snprintf(host->root, sizeof(host->root), "%.40s/kvmscope-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(host->root))
		host__fail("mkdtemp", host->root);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(host->paths[i], sizeof(host->paths[i]), "%s/%s", host->root, names[i]);
		if (mkdir(host->paths[i], 0755))
			host__fail("mkdir", host->paths[i]);
	}
	host->roots = (struct vms_roots){host->paths[0], host->paths[1], host->paths[2]};
}

static inline void host__clear(const struct host *host)
{
	host__remove(host, NULL);
}

/* --- the description */

static inline void host__process_line(struct host *host, const char *word, char *rest)
{
	char *end;
	long number = strtol(rest, &end, 10);

	if (!strcmp(word, "exe")) {
		host__link(host__path(host, "proc/%d/exe", host->pid), rest);
	} else if (!strcmp(word, "arg")) {
		host__arg(host, rest);
	} else if (!strcmp(word, "args")) {
		char *arg, *save = NULL;

		for (arg = strtok_r(rest, " ", &save); arg; arg = strtok_r(NULL, " ", &save))
			host__arg(host, arg);
	} else if (!strcmp(word, "cgroup")) {
		host__append_line(host__path(host, "proc/%d/cgroup", host->pid), rest);
	} else if (!strcmp(word, "mount")) {
		host__append_line(host__path(host, "proc/%d/mountinfo", host->pid), rest);
	} else if (!strcmp(word, "fd")) {
		host__fd(host, (int)number, end + 1);
	} else if (!strcmp(word, "fdinfo")) {
		char *colon = strchr(end, ':');

		if (colon)
			colon[1] = '\t'; /* "KEY: VALUE", as the kernel sets it */
		host__append_line(host__path(host, "proc/%d/fdinfo/%ld", host->pid, number),
				  end + 1);
	} else if (!strcmp(word, "thread")) {
		host__thread(host, (int)number, end + 1);
	} else {
		errno = EINVAL;
		host__fail("unknown word", word);
	}
}

/* Reads a description up to its line "expect"; what follows that is returned, to be freed. */
static inline char *host__build(struct host *host, const char *description)
{
	FILE *file = fopen(description, "re");
	char *line = NULL, *expect = NULL, *body = NULL;
	size_t size = 0, expect_size;
	FILE *out = NULL;

	if (!file)
		host__fail("open", description);
	while (getline(&line, &size, file) >= 0) {
		char *word = line + strspn(line, " "), *rest;

		line[strcspn(line, "\n")] = '\0';
		if (out) {
			fprintf(out, "%s\n", line);
			continue;
		}
		if (body) {
			if (strcmp(line, ".")) {
				host__append_line(xstrdup(body), line);
			} else {
				free(body);
				body = NULL;
			}
			continue;
		}
		if (!*word || *word == '#')
			continue;
		rest = word + strcspn(word, " ");
		if (*rest)
			*rest++ = '\0';
		if (!strcmp(word, "process")) {
			char comm[64];
			unsigned long long start;
			int pid;

			if (sscanf(rest, "%d %llu %63[^\n]", &pid, &start, comm) != 3)
				host__fail("process", rest);
			host__process(host, pid, start, comm);
		} else if (!strcmp(word, "kthread")) {
			host__stat(host, atoi(rest), "kthreadd", HOST_KTHREAD, 1);
		} else if (!strcmp(word, "file")) {
			char *path = host__expand(host, rest);

			body = host__path(host, "%s", path);
			free(path);
		} else if (!strcmp(word, "sparse")) {
			char *mib = strchr(rest, ' ');
			char *path;

			*mib++ = '\0';
			path = host__path(host, "%s", rest);
			host__write(xstrdup(path), "", 0, true);
			if (truncate(path, atol(mib) << 20))
				host__fail("truncate", path);
			free(path);
		} else if (!strcmp(word, "expect")) {
			out = open_memstream(&expect, &expect_size);
		} else {
			host__process_line(host, word, rest);
		}
	}
	free(line);
	fclose(file);
	if (!out)
		host__fail("no line 'expect'", description);
	fclose(out);
	return expect;
}

/* --- what came out */

static inline void host__print_safe(FILE *out, const struct host *host, const char *text)
{
	size_t n = strlen(host->root);

	if (!strncmp(text, host->root, n)) {
		putc('@', out);
		text += n;
	}
	for (; *text; text++)
		if (*text >= ' ' || (*text & 0x80))
			putc(*text, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
}

/* All VMs that are alive, in the form that follows "expect". To be freed. */
static inline char *host__render(const struct host *host, const struct vms *vms)
{
	char *text;
	size_t size, n, i, k;
	FILE *out = open_memstream(&text, &size);
	struct vm **all;

	n = vms__all(vms, &all);
	for (i = 0; i < n; i++) {
		const struct vm *vm = all[i];

		if (!vm->alive)
			continue;
		fprintf(out, "vm %d\n  name ", (int)vm->pid);
		host__print_safe(out, host, vm->name);
		fprintf(out, "\n  from %s\n  platform %s\n", vm->name_source, vm->platform);
		if (*vm->uuid)
			fprintf(out, "  uuid %s\n", vm->uuid);
		fprintf(out, "  cgroup %s\n", vm->cgroup);
		for (k = 0; k < vm->n_vcpus; k++)
			fprintf(out, "  vcpu %d %d\n", vm->vcpus[k].id, (int)vm->vcpus[k].tid);
		for (k = 0; k < vm->n_nics; k++)
			fprintf(out, "  nic %s\n", vm->nics[k].name);
		for (k = 0; k < vm->n_disks; k++) {
			fprintf(out, "  disk %s", *vm->disks[k].target ? vm->disks[k].target : "-");
			putc(' ', out);
			host__print_safe(out, host, vm->disks[k].source);
			putc('\n', out);
		}
	}
	fclose(out);
	return text;
}

#endif
