/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests in races.c. Include cmocka.h first. */
#ifndef TEST_RACES_H
#define TEST_RACES_H

#define RACE_TESTS 3

extern const struct CMUnitTest race_tests[RACE_TESTS];

#endif
