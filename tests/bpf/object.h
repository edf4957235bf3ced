/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvmscope's BPF object as the tests take it: without the session's choice of programs, so
 * that those which this kernel would never be given can be tried as well.
 */
#ifndef TEST_OBJECT_H
#define TEST_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <bpf/libbpf.h>
#include <kvmscope/abi.h>

#define OBJECT_VCPUS 4
#define OBJECT_CELLS 1024

/* Where the object file is: BUILD/kvmscope.bpf.o. */
extern const char *object_path;
/* A file with the types that a session gives to libbpf; NULL: there is none (test_few_types()). */
extern const char *few_types;

struct object;

/*
 * Opened, with no program to be loaded and sizes for a few vCPUs. types: a file with the BTF that
 * its programs are relocated by; NULL: this kernel's own. NULL on failure (errno).
 */
struct object *object__open(const char *types);
void object__close(struct object *o); /* NULL is fine */

struct bpf_object *object__bpf(struct object *o);
/* Marks a program for loading. NULL if there is none of that name. */
struct bpf_program *object__want(struct object *o, const char *program);
/* Sets a cfg_ constant; before loading. False if there is none. */
bool object__set(struct object *o, const char *variable, uint64_t value);
/* Loads, and fills the stacks of unused slots and cells. 0 or -errno. */
int object__load(struct object *o);
/* What libbpf and the verifier have said, the end of it. */
const char *object__log(void);

/* Runs a raw tracepoint program with these arguments, in this thread, on this CPU. 0 or -errno. */
int object__run(struct object *o, const char *program, const uint64_t *args, size_t n);

/* The cell of a metric and a key, of whatever vCPU. False: there is none. */
bool object__cell(struct object *o, enum ks_metric metric, uint64_t key, struct ks_cell *ret);
/* The first that was taken. */
bool object__first_cell(struct object *o, struct ks_cell *ret);
bool object__vcpu(struct object *o, uint32_t slot, struct ks_vcpu *ret);
/* How many cells are in use. */
unsigned int object__cells(struct object *o);
uint64_t object__loss(struct object *o, enum ks_loss which);

#endif
