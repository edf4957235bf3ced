/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What ledger*.c share. */
#ifndef KVMSCOPE_LEDGER_INTERNAL_H
#define KVMSCOPE_LEDGER_INTERNAL_H

#include "ledger.h"

/* Room for the values of any series. */
#define LEDGER_VALUES_MAX (LEDGER_LABELS_MAX * (LEDGER_LABEL_MAX + 1))

/* An account's series in a family. */
struct head {
	struct series *first;
	size_t n_sets; /* that differ in more than fixed labels: what max_values bounds */
};

/* What a VM's series belong to. */
struct account {
	char *label; /* the value of vm: unique */
	char name[VM_NAME_MAX];
	pid_t pid;
	uint64_t start;	   /* of the process, clock ticks: with pid, the VM */
	uint64_t ended;	   /* when it was no longer there, ns; 0: it is */
	uint64_t seen;	   /* tick of the last report that had it */
	bool shared;	   /* of no single VM: never ends */
	bool overflow;	   /* LEDGER_OVERFLOW: its series are beside the bound */
	struct head *head; /* by family, in the order of ledger's */
	size_t n_heads;
};

enum overflow { OVERFLOW_VMS, OVERFLOW_SERIES, OVERFLOW_VALUES, OVERFLOWS };

struct ledger {
	struct ledger_opts opts;
	struct account **account;
	size_t n_accounts;
	struct account own; /* of series without vm */
	struct family **family;
	size_t n_families;
	size_t n_series;
	uint64_t tick;
	uint64_t overflows[OVERFLOWS];
	const struct export **export; /* that are measured */
	size_t n_exports;
};

struct account *account__new(struct ledger *l, const char *label);
void account__drop(struct ledger *l, struct account *a);
/* Ends all of its series. */
void account__drop_series(struct ledger *l, struct account *a);
/* Makes room by ending the VM that ended first, but not that one. False: there is none. */
bool account__evict(struct ledger *l, const struct account *but);
struct account *account__labelled(const struct ledger *l, const char *label);
struct family *family__get(struct ledger *l, enum family_type type, const char *name,
			   const char *unit, const char *help, double scale);
/* Ends all of its series. */
void family__drop_series(struct ledger *l, struct family *f);
/* With prefix and unit; caller frees. */
char *metric_info__full_name(const struct metric_info *info);
struct family *family__by_info(struct ledger *l, enum family_type type,
			       const struct metric_info *info);
/* One of those that are no single VM's. */
struct account *account__shared(struct ledger *l, const char *label);
/* A VM's, room permitting; else LEDGER_OVERFLOW's. */
struct account *account__of(struct ledger *l, const struct vm *vm);
struct head *series__head(struct ledger *l, struct account *a, const struct family *f);
/* The one with these values; NULL: there is none. */
struct series *series__find(const struct head *head, const struct family *f, const char *value);
/* How long the values are that a series of the family has, with their NULs. */
size_t series__values_len(const struct family *f, const char *value);
/*
 * The series of that account in the family with these values, or a new one; where a bound is
 * reached, one in which others are folded: value is then that one's. n: how many there are to be,
 * this one and those that series__beside() makes. There is room for all of them or for none.
 */
struct series *series__get(struct ledger *l, struct account *a, struct family *f,
			   char value[LEDGER_VALUES_MAX], size_t n);
/* Another of s' account, with values that differ from those of s in a fixed label. */
struct series *series__beside(struct ledger *l, struct family *f, const struct series *s,
			      const char *value);
void account_hist__add(struct account_hist *to, const struct histogram *from);
void account_hist__merge(struct account_hist *to, const struct account_hist *from);
/* a NULL: of the program's own. value: as struct series has it. */
struct series *series__new(struct ledger *l, struct account *a, struct family *f,
			   const char *value);
void ledger__clear(struct ledger *l);

#endif
