/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmlinux/gen.c on types made up here: what it writes for a list, and what it refuses. That the
 * header in the tree is what the kernels give is for `vmlinux/gen --check`.
 */
int gen_main(int argc, char **argv);
#define main gen_main
#include "../../vmlinux/gen.c"
#undef main

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test_vmlinux.XXXXXX";

static void write_btf(const char *name, const struct btf *btf)
{
	FILE *file = fopen(name, "w");
	const void *data;
	__u32 size;

	data = btf__raw_data(btf, &size);
	assert_non_null(file);
	assert_non_null(data);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/*
 * In vmlinux:
 *	typedef unsigned int u32; enum colour { RED = -1, BLUE = 7 }; enum { ANY = 2 };
 *	struct inner { u32 a; };
 *	struct outer { struct inner in; union { u32 x, y; }; struct outer *next; struct far *far;
 *		       int (*paint)(enum colour); u32 low : 3, high : 29; };
 * In the module m:
 *	struct own { struct outer *outer; u32 n[4]; };
 */
static int set_up(void **state)
{
	struct btf *base = btf__new_empty(), *module;
	int number, u32, integer, colour, inner, either, far, far_ptr, paint, paint_ptr, outer_ptr;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("1.0", 0755), 0);

	number = btf__add_int(base, "unsigned int", 4, 0);
	u32 = btf__add_typedef(base, "u32", number);
	integer = btf__add_int(base, "int", 4, BTF_INT_SIGNED);
	colour = btf__add_enum(base, "colour", 4);
	btf__add_enum_value(base, "RED", -1);
	btf__add_enum_value(base, "BLUE", 7);
	btf__add_enum(base, NULL, 4);
	btf__add_enum_value(base, "ANY", 2);
	inner = btf__add_struct(base, "inner", 4);
	btf__add_field(base, "a", u32, 0, 0);
	either = btf__add_union(base, NULL, 4);
	btf__add_field(base, "x", u32, 0, 0);
	btf__add_field(base, "y", u32, 0, 0);
	far = btf__add_fwd(base, "far", BTF_FWD_STRUCT);
	far_ptr = btf__add_ptr(base, far);
	paint = btf__add_func_proto(base, integer);
	btf__add_func_param(base, "colour", colour);
	paint_ptr = btf__add_ptr(base, paint);
	outer_ptr = btf__add_ptr(base, paint_ptr + 2);
	assert_int_equal(btf__add_struct(base, "outer", 40), outer_ptr + 1);
	btf__add_field(base, "in", inner, 0, 0);
	btf__add_field(base, NULL, either, 32, 0);
	btf__add_field(base, "next", outer_ptr, 64, 0);
	btf__add_field(base, "far", far_ptr, 128, 0);
	btf__add_field(base, "paint", paint_ptr, 192, 0);
	btf__add_field(base, "low", u32, 256, 3);
	assert_int_equal(btf__add_field(base, "high", u32, 259, 29), 0);
	write_btf("1.0/vmlinux", base);

	module = btf__new_empty_split(base);
	btf__add_array(module, integer, u32, 4);
	btf__add_struct(module, "own", 24);
	btf__add_field(module, "outer", outer_ptr, 0, 0);
	assert_int_equal(btf__add_field(module, "n", outer_ptr + 2, 64, 0), 0);
	write_btf("1.0/m.ko", module);
	btf__free(module);
	btf__free(base);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"1.0/vmlinux", "1.0/m.ko", "list", "out", "err"};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(files[i]);
	return rmdir("1.0") || chdir("/") || rmdir(dir);
}

static const char *text_of(const char *path)
{
	static char text[4096];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* Runs gen on a list, in a process of its own for it may exit. Returns its status. */
static int run(const char *list)
{
	char *argv[] = {"gen", ".", "arm64", NULL};
	FILE *file = fopen("list", "w");
	int status;
	pid_t pid;

	assert_non_null(file);
	fputs(list, file);
	fclose(file);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!freopen("list", "r", stdin) || !freopen("out", "w", stdout) ||
		    !freopen("err", "w", stderr))
			_exit(3);
		exit(gen_main(3, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void check_written(const char *list, const char *want)
{
	int status = run(list);

	if (status)
		print_error("%s", text_of("err"));
	assert_int_equal(status, 0);
	assert_string_equal(text_of("out"), want);
}

static void check_refused(const char *list, const char *why)
{
	assert_int_equal(run(list), 1);
	assert_string_equal(text_of("err"), why);
}

static void test_written(void **state)
{
	/* what a member takes comes before it, once */
	check_written(
		"from 1.0 vmlinux\nstruct inner\n\ta\nstruct outer # with some\n\tin\n\n\tfar\n"
		"\tpaint\n\tnext\n",
		"typedef unsigned int u32;\n\nstruct inner {\n\tu32 a;\n};\n\nstruct far;\n\n"
		"enum colour {\n\tRED = -1,\n\tBLUE = 7,\n};\n\nstruct outer {\n"
		"\tstruct inner in;\n\tstruct far *far;\n\tint (*paint)(enum colour colour);\n"
		"\tstruct outer *next;\n};\n\n");
	/* a member of an anonymous union, bits, two shapes of one type */
	check_written("from 1.0 vmlinux\nstruct outer___old\n\ty\nstruct outer___new\n\tlow\n",
		      "typedef unsigned int u32;\n\nstruct outer___old {\n\tu32 y;\n};\n\n"
		      "struct outer___new {\n\tu32 low : 3;\n};\n\n");
	/* enums: some values, all, wherever they are */
	check_written("from 1.0 vmlinux\nenum colour\n\tBLUE\nenum\n\tRED\n\tANY\n",
		      "enum colour {\n\tBLUE = 7,\n};\n\nenum {\n\tRED = -1,\n\tANY = 2,\n};\n\n");
	check_written("from 1.0 vmlinux\nenum colour\ntypedef u32\n",
		      "enum colour {\n\tRED = -1,\n\tBLUE = 7,\n};\n\ntypedef unsigned int u32;\n");
	/* a module's types over vmlinux's, and vmlinux's by way of it */
	check_written(
		"from 1.0 m\nstruct own\n\touter\n\tn\nstruct inner\n\ta\n",
		"struct outer;\ntypedef unsigned int u32;\n\nstruct own {\n"
		"\tstruct outer *outer;\n\tu32 n[4];\n};\n\nstruct inner {\n\tu32 a;\n};\n\n");
}

/* This is arm64's. What is not there as a module is built in. */
static void test_architectures(void **state)
{
	check_written("from 9.9 nowhere x86\nstruct whatever\n\tmember\n"
		      "from 1.0 m arm64\nstruct own\n\touter\n"
		      "from 1.0 built_in\nstruct inner\n\ta arm64\nstruct outer\n\tin\n\tz x86\n",
		      "struct outer;\n\nstruct own {\n\tstruct outer *outer;\n};\n\n"
		      "typedef unsigned int u32;\n\nstruct inner {\n\tu32 a;\n};\n\n"
		      "struct outer {\n\tstruct inner in;\n};\n\n");
}

static void test_refused(void **state)
{
	check_refused("from 1.0 vmlinux\nstruct outer\n\tz\n",
		      "gen: 1.0 vmlinux: struct outer: it has no member z\n");
	check_refused("from 1.0 vmlinux\nstruct outer\n\tin\n",
		      "gen: 1.0 vmlinux: struct outer: struct inner is a part of it: list that one "
		      "first\n");
	check_refused("from 1.0 vmlinux\nstruct own\n\tn\n",
		      "gen: 1.0 vmlinux: struct own: there is no such type\n");
	check_refused("from 1.0 vmlinux\nunion outer\n\tin\n",
		      "gen: 1.0 vmlinux: union outer: there is no such type\n");
	check_refused("from 1.0 vmlinux\nstruct far\n",
		      "gen: 1.0 vmlinux: struct far: there is no such type\n");
	check_refused("from 1.0 vmlinux\nenum colour\n\tANY\n",
		      "gen: 1.0 vmlinux: enum colour: it has no ANY\n");
	check_refused("from 1.0 vmlinux\nstruct inner\nstruct inner\n",
		      "gen: 1.0 vmlinux: struct inner: it is there already\n");
	check_refused("from 2.0 m\n",
		      "gen: 2.0 m: no BTF in ./2.0/vmlinux: No such file or directory\n");
	check_refused("from 1.0 x\nstruct own\n",
		      "gen: 1.0 x: struct own: there is no such type\n");
	check_refused("from 1.0 vmlinux mips\n", "gen: : there is no architecture mips\n");
	check_refused("from 1.0 vmlinux\n\ta\n",
		      "gen: 1.0 vmlinux: what does this line mean: \ta\n");
	check_refused("from 1.0 vmlinux\nstruct\n",
		      "gen: 1.0 vmlinux: what does this line mean: struct\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_architectures),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
