/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests in exit_rows.c. Include cmocka.h first. */
#ifndef TEST_EXIT_ROWS_H
#define TEST_EXIT_ROWS_H

#define EXIT_ROW_TESTS 9

extern const struct CMUnitTest exit_row_tests[EXIT_ROW_TESTS];

#endif
