/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong with a command line, in one line: argp's own words are two, and lead nowhere. */
#ifndef KVMSCOPE_OPTIONS_H
#define KVMSCOPE_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * For a command line that argp_parse() has refused with EINVAL: its first mistake, by the n tables
 * of options (NULL is fine), as "'--bogus' is no option". Caller frees. numbers: the program takes
 * numbers above 0 beside options, so that -1 may be meant for one.
 */
char *options__mistake(char *const *argv, const struct argp_option *const *tables, size_t n,
		       bool numbers);

#endif
