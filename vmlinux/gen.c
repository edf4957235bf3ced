/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a small vmlinux.h: the types and members that a list names, declared as the kernel's
 * BTF says. types.list explains the list; the script beside this file gets the BTF.
 */
#include <bpf/btf.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gen {
	const char *dir;	/* DIR/SERIES/vmlinux, DIR/SERIES/MODULE.ko */
	unsigned int line;	/* of the list, for messages */
	struct btf *base, *btf; /* of the current "from"; base: vmlinux under a module's */
	struct btf_dump *dump;
	char **done; /* "struct foo", "typedef u64": what the header has by now */
	size_t n_done;
	char *head;			/* of the entry under way: "struct foo"; NULL: there is none */
	const struct btf_type *type;	/* NULL: a typedef or values of enums without a name */
	unsigned int members;		/* that the list has named of it */
	char *body;			/* its members, as what they need has to come before it */
	size_t body_size;
	FILE *out;
};

static __attribute__((noreturn, format(printf, 2, 3))) void fail(const struct gen *g,
								 const char *format, ...)
{
	va_list args;

	fprintf(stderr, "gen: line %u of the list: ", g->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void gen__print(void *ctx, const char *format, va_list args)
{
	vfprintf(((struct gen *)ctx)->out, format, args);
}

static void close_btf(struct gen *g)
{
	btf_dump__free(g->dump);
	btf__free(g->btf);
	if (g->base != g->btf)
		btf__free(g->base);
	g->btf = g->base = NULL;
}
