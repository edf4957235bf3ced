/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mistakes on a command line: see options.h. */
#include <ctype.h>
#include <string.h>
#include "options.h"
#include "util.h"

struct tables {
	const struct argp_option *const *table;
	size_t n;
};

/* The option of that name, or of which it is the beginning: several then, if *ret_other is one. */
static const struct argp_option *find_long(const struct tables *t, const char *name, size_t len,
					   const struct argp_option **ret_other)
{
	const struct argp_option *found = NULL;

	*ret_other = NULL;
	for (size_t i = 0; i < t->n; i++) {
		for (const struct argp_option *o = t->table[i]; o && o->name; o++) {
			if (strncmp(o->name, name, len))
				continue;
			if (!o->name[len]) {
				*ret_other = NULL;
				return o;
			}
			*ret_other = *ret_other ?: found;
			found = o;
		}
	}
	return found;
}

static const struct argp_option *find_short(const struct tables *t, char key)
{
	for (size_t i = 0; i < t->n; i++)
		for (const struct argp_option *o = t->table[i]; o && o->name; o++)
			if (o->key == key)
				return o;
	return NULL;
}

static char *no_value(const struct argp_option *o)
{
	return xasprintf("--%s takes a value: --%s=%s", o->name, o->name, o->arg);
}

/* arg: "--name" or "--name=value". *ret_next: the next argument is its value. */
static char *mistake_in_long(const struct tables *t, const char *arg, const char *next,
			     bool *ret_next)
{
	const char *name = arg + 2, *value = strchr(name, '=');
	const struct argp_option *o, *other;

	o = find_long(t, name, value ? (size_t)(value - name) : strlen(name), &other);
	if (!o)
		return xasprintf("'%.64s' is no option", arg);
	if (other)
		return xasprintf("'%.64s' may be --%s or --%s", arg, other->name, o->name);
	if (value && !o->arg)
		return xasprintf("--%s takes no value, as in '%.64s'", o->name, arg);
	*ret_next = o->arg && !value;
	return *ret_next && !next ? no_value(o) : NULL;
}

/* arg: "-abc", or "-avalue". */
static char *mistake_in_short(const struct tables *t, const char *arg, const char *next,
			      bool numbers, bool *ret_next)
{
	for (const char *at = arg + 1; *at; at++) {
		const struct argp_option *o = find_short(t, *at);

		if (!o && numbers && (isdigit((unsigned char)arg[1]) || arg[1] == '.'))
			return xasprintf("'%.64s' is no option, and numbers are above 0", arg);
		if (!o && at == arg + 1 && !at[1])
			return xasprintf("'%.64s' is no option", arg);
		if (!o)
			return xasprintf("'-%c' in '%.64s' is no option",
					 isprint((unsigned char)*at) ? *at : '?', arg);
		if (!o->arg)
			continue;
		*ret_next = !at[1];
		return *ret_next && !next ? no_value(o) : NULL;
	}
	return NULL;
}

char *options__mistake(char *const *argv, const struct argp_option *const *tables, size_t n,
		       bool numbers)
{
	const struct tables t = {tables, n};
	char *mistake = NULL;

	for (size_t i = 1; argv[i] && !mistake && strcmp(argv[i], "--") != 0; i++) {
		bool skip = false;

		if (!strncmp(argv[i], "--", 2))
			mistake = mistake_in_long(&t, argv[i], argv[i + 1], &skip);
		else if (argv[i][0] == '-')
			mistake = mistake_in_short(&t, argv[i], argv[i + 1], numbers, &skip);
		i += skip && argv[i + 1];
	}
	return mistake ?: xstrdup("the options can't be told apart");
}
