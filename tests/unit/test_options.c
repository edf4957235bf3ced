/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong with a command line, where argp says only that something is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "options.h"
#include "util.h"

static const struct argp_option common[] = {
	{"vm", 'n', "VM", 0, "", 1},	  {"verbose", 'v', NULL, 0, "", 1},
	{"version", 'V', NULL, 0, "", 1}, {"json", 'j', NULL, 0, "", 1},
	{"color", 256, "WHEN", 0, "", 1}, {},
};
static const struct argp_option own[] = {{"by", 'b', "WHAT", 0, "", 1}, {}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	return key == 'n' || key == 'v' || key == 'V' || key == 'j' || key == 256 || key == 'b' ||
			       key == ARGP_KEY_ARG
		       ? 0
		       : ARGP_ERR_UNKNOWN;
}

/* What is said of a line that argp refuses; "": it does not. */
static void check(const char *expected, const char *line)
{
	const struct argp_option *const tables[] = {common, own, NULL};
	struct argp_child children[] = {{.argp = &(struct argp){.options = own, .parser = parse}},
					{}};
	struct argp argp = {.options = common, .parser = parse, .children = children};
	char *words = xstrdup(line), *rest = words, *argv[16] = {"kvmscope"}, *mistake;
	int argc = 1, err;

	while (rest && argc < 15)
		argv[argc++] = strsep(&rest, " ");
	err = argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS, NULL, NULL);
	assert_int_equal(err, *expected ? EINVAL : 0);
	if (err) {
		mistake = options__mistake(argv, tables, ARRAY_SIZE(tables), true);
		assert_string_equal(mistake, expected);
		free(mistake);
	}
	free(words);
}

static void test_mistakes(void **state)
{
	(void)state;
	check("", "1 -jv --by=port -n web1 --vers 2 --vm x");
	check("'--bogus' is no option", "1 --bogus 2");
	check("'--bogus=3' is no option", "-n --bogus -v --bogus=3");
	check("'-Z' is no option", "-j -Z --bogus");
	check("'-Z' in '-jZv' is no option", "-jZv");
	check("'-1' is no option, and numbers are above 0", "1 -1");
	check("'-.5' is no option, and numbers are above 0", "-.5");
	check("--by takes a value: --by=WHAT", "1 --by");
	check("--by takes a value: --by=WHAT", "-jb");
	check("--color takes a value: --color=WHEN", "-nweb1 --col");
	check("--json takes no value, as in '--json=1'", "--json=1");
	check("'--v' may be --vm or --version", "--v");
	check("'--ver' may be --verbose or --version", "--ver");
	check("", "-- --bogus");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes)};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
