/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes to stdout, in C, the kernel types and members that a list on stdin names, as BTF has
 * them. types.list explains the list; the script beside this file brings the BTF.
 */
#include <bpf/btf.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gen {
	const char *dir;	/* in it: SERIES/vmlinux, SERIES/MODULE.ko */
	const char *arch;	/* the architecture that this is for */
	bool skip;		/* what the list has now is for another one */
	struct btf *base, *btf; /* base: vmlinux's; btf: the one in use, maybe the same */
	struct btf_dump *dump;
	bool loose; /* the last thing written was a single line */
	/* what is written by now: "struct foo", "forward foo" */
	char done[1024][160];
	size_t n_done;
	/* of the list: the BTF in use, the entry under way and what is wanted of it */
	char from[300], kind[128], name[128];
	char member[128][128];
	size_t n_members;
};

static __attribute__((noreturn, format(printf, 2, 3))) void fail(const struct gen *g,
								 const char *format, ...)
{
	va_list args;

	fprintf(stderr, "gen: %s: ", g->from);
	if (*g->kind)
		fprintf(stderr, "%s %s: ", g->kind, g->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static const char *kind_of(const struct btf_type *t)
{
	if (btf_is_composite(t) || btf_is_fwd(t))
		return btf_is_union(t) || (btf_is_fwd(t) && btf_kflag(t)) ? "union" : "struct";
	return btf_is_typedef(t) ? "typedef" : btf_is_any_enum(t) ? "enum" : "";
}

/* Is that written? add: from now on it is. */
static bool done(struct gen *g, const char *kind, const char *name, bool add)
{
	char key[sizeof(*g->done)];
	size_t i;

	snprintf(key, sizeof(key), "%s %s", kind, name);
	for (i = 0; i < g->n_done; i++)
		if (!strcmp(g->done[i], key))
			return true;
	if (i == sizeof(g->done) / sizeof(*g->done))
		fail(g, "the list is longer than gen's own");
	strcpy(g->done[i], key);
	g->n_done += add;
	return false;
}

static void print(void *ctx, const char *format, va_list args)
{
	vprintf(format, args);
}

/* Writes a type and the name that is declared to be of it. */
static void declare(struct gen *g, __u32 id, const char *name)
{
	LIBBPF_OPTS(btf_dump_emit_type_decl_opts, opts, .field_name = name);

	if (btf_dump__emit_type_decl(g->dump, id, &opts))
		fail(g, "libbpf can't write the type of %s", name);
}

static void block_begin(struct gen *g, const char *kind, const char *name)
{
	printf("%s%s%s%s {\n", g->loose ? "\n" : "", kind, *name ? " " : "", name);
	g->loose = false;
}

/* Writes the enumerator of that name, or all for NULL. Returns false if there is none. */
static bool enumerate(const struct gen *g, const struct btf_type *t, const char *wanted)
{
	bool any = false, is_64 = btf_is_enum64(t);
	const char *name;
	long long value;
	__u32 i;

	for (i = 0; i < btf_vlen(t); i++) {
		name = btf__name_by_offset(g->btf, is_64 ? btf_enum64(t)[i].name_off
							 : btf_enum(t)[i].name_off);
		if (wanted && strcmp(name, wanted))
			continue;
		any = true;
		value = is_64 ? (long long)btf_enum64_value(&btf_enum64(t)[i]) : btf_enum(t)[i].val;
		if (btf_kflag(t))
			printf("\t%s = %lld,\n", name, value);
		else
			printf("\t%s = %llu,\n", name, is_64 ? value : (__u32)value);
	}
	return any;
}

/*
 * Writes what a declaration of that type takes before it: typedefs, enums, forward declarations.
 * whole: its size must be known; a struct's is once the list has had it.
 */
static void need(struct gen *g, __u32 id, bool whole)
{
	const struct btf_type *t = btf__type_by_id(g->btf, id);
	const char *name = btf__name_by_offset(g->btf, t->name_off);
	const char *kind = kind_of(t);
	__u32 i;

	if (btf_is_array(t)) {
		need(g, btf_array(t)->type, true);
	} else if (btf_is_func_proto(t)) {
		need(g, t->type, false);
		for (i = 0; i < btf_vlen(t); i++)
			need(g, btf_params(t)[i].type, false);
	} else if (btf_is_ptr(t) || btf_is_mod(t) || btf_is_typedef(t) || btf_is_type_tag(t)) {
		need(g, t->type, whole && !btf_is_ptr(t));
		if (!btf_is_typedef(t) || done(g, kind, name, true))
			return;
		printf("typedef ");
		declare(g, t->type, name);
		printf(";\n");
		g->loose = true;
	} else if (btf_is_any_enum(t) && *name && !done(g, kind, name, true)) {
		block_begin(g, kind, name);
		enumerate(g, t, NULL);
		printf("};\n\n");
	} else if (btf_is_composite(t) && !*name) {
		for (i = 0; i < btf_vlen(t); i++)
			need(g, btf_members(t)[i].type, true);
	} else if ((btf_is_composite(t) || btf_is_fwd(t)) && !done(g, kind, name, false)) {
		if (whole)
			fail(g, "%s %s is a part of it: list that one first", kind, name);
		if (done(g, "forward", name, true))
			return;
		printf("%s %s;\n", kind, name);
		g->loose = true;
	}
}

/* The member of that name, if need be in an anonymous struct or union; NULL: there is none. */
static const struct btf_member *find_member(const struct gen *g, const struct btf_type *t,
					    const char *wanted, __u32 *bits)
{
	const struct btf_member *m = btf_members(t), *found = NULL;
	const struct btf_type *part;
	const char *name;
	__u32 i;

	for (i = 0; i < btf_vlen(t) && !found; i++, m++) {
		name = btf__name_by_offset(g->btf, m->name_off);
		part = btf__type_by_id(g->btf, m->type);
		*bits = btf_member_bitfield_size(t, i);
		if (!strcmp(name, wanted))
			return m;
		if (!*name && btf_is_composite(part))
			found = find_member(g, part, wanted, bits);
	}
	return found;
}

static void write_struct(struct gen *g, const struct btf_type *t)
{
	const struct btf_member *m;
	__u32 bits;
	size_t i;

	if (done(g, g->kind, g->name, true))
		fail(g, "it is there already");
	for (i = 0; i < g->n_members; i++) {
		m = find_member(g, t, g->member[i], &bits);
		if (!m)
			fail(g, "it has no member %s", g->member[i]);
		need(g, m->type, true);
	}
	block_begin(g, g->kind, g->name);
	for (i = 0; i < g->n_members; i++) {
		m = find_member(g, t, g->member[i], &bits);
		putchar('\t');
		declare(g, m->type, g->member[i]);
		if (bits)
			printf(" : %u", bits);
		printf(";\n");
	}
	printf("};\n\n");
}

/* The next type after that one of the entry's kind and, but for the flavour, name; 0: none. */
static __u32 find_type(const struct gen *g, __u32 id)
{
	const char *flavour = strstr(g->name, "___");
	size_t len = flavour ? (size_t)(flavour - g->name) : strlen(g->name);
	const struct btf_type *t;
	const char *name;

	while (++id < btf__type_cnt(g->btf)) {
		t = btf__type_by_id(g->btf, id);
		name = btf__name_by_offset(g->btf, t->name_off);
		if (!btf_is_fwd(t) && !strcmp(kind_of(t), g->kind) &&
		    (!len || (strlen(name) == len && !memcmp(name, g->name, len))))
			return id;
	}
	return 0;
}

static void write_enum(struct gen *g)
{
	__u32 id;
	size_t i;

	if (*g->name && done(g, g->kind, g->name, true))
		fail(g, "it is there already");
	block_begin(g, g->kind, g->name);
	for (i = 0; i < g->n_members; i++) {
		id = find_type(g, 0);
		while (id && !enumerate(g, btf__type_by_id(g->btf, id), g->member[i]))
			id = find_type(g, id);
		if (!id)
			fail(g, "it has no %s", g->member[i]);
	}
	printf("};\n\n");
}

/* Writes the entry under way, of which all lines have been read by now. */
static void entry_end(struct gen *g)
{
	__u32 id;

	if (!*g->kind)
		return;
	id = g->btf ? find_type(g, 0) : 0;
	if (!id)
		fail(g, "there is no such type");
	if (btf_is_composite(btf__type_by_id(g->btf, id)))
		write_struct(g, btf__type_by_id(g->btf, id));
	else if (g->n_members)
		write_enum(g);
	else
		need(g, id, true);
	g->n_members = 0;
	*g->kind = *g->name = '\0';
}

/*
 * Takes types from now on from Debian's kernel of a series: "vmlinux", or a module's name. What has
 * no file there is built in, and its types are vmlinux's.
 */
static void from(struct gen *g, const char *series, const char *file)
{
	char path[4096], module[4096];

	btf_dump__free(g->dump);
	if (g->btf != g->base)
		btf__free(g->btf);
	btf__free(g->base);
	snprintf(g->from, sizeof(g->from), "%s %s", series, file);
	snprintf(path, sizeof(path), "%s/%s/vmlinux", g->dir, series);
	g->base = g->btf = btf__parse(path, NULL);
	snprintf(module, sizeof(module), "%s/%s/%s.ko", g->dir, series, file);
	if (g->base && !access(module, F_OK)) {
		g->btf = btf__parse_split(module, g->base);
		strcpy(path, module);
	}
	g->dump = g->btf ? btf_dump__new(g->btf, print, NULL, NULL) : NULL;
	if (!g->dump)
		fail(g, "no BTF in %s: %m", path);
}

/* Is a line for us that ends so? NULL: it does not tell, and is for all. */
static bool is_ours(const struct gen *g, const char *arch)
{
	static const char *const known[] = {"x86", "arm64"};

	for (size_t i = 0; arch && i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(arch, known[i]))
			return !strcmp(arch, g->arch);
	if (arch)
		fail(g, "there is no architecture %s", arch);
	return true;
}

int main(int argc, char **argv)
{
	char word[4][sizeof(((struct gen *)0)->name)];
	static struct gen g;
	char line[1024];
	int n;

	if (argc != 3) {
		fprintf(stderr,
			"Usage: gen DIR ARCH <LIST   DIR/SERIES/vmlinux, DIR/SERIES/MODULE.ko\n");
		return 2;
	}
	g.dir = argv[1];
	g.arch = argv[2];
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "#\n")] = '\0';
		n = sscanf(line, "%127s%127s%127s%127s", word[0], word[1], word[2], word[3]);
		if (n <= 0)
			continue;
		if (isspace(line[0])) {
			if (g.skip)
				continue;
			if (n > 2 || !*g.kind ||
			    g.n_members == sizeof(g.member) / sizeof(*g.member))
				fail(&g, "what does this line mean: %s", line);
			if (is_ours(&g, n == 2 ? word[1] : NULL))
				strcpy(g.member[g.n_members++], word[0]);
			continue;
		}
		entry_end(&g);
		if (n >= 3 && !strcmp(word[0], "from")) {
			g.skip = !is_ours(&g, n == 4 ? word[3] : NULL);
			if (!g.skip)
				from(&g, word[1], word[2]);
		} else if (g.skip) {
			continue;
		} else if (n == 2 || (n == 1 && !strcmp(word[0], "enum"))) {
			strcpy(g.kind, word[0]);
			strcpy(g.name, n == 2 ? word[1] : "");
		} else {
			fail(&g, "what does this line mean: %s", line);
		}
	}
	entry_end(&g);
	return 0;
}
