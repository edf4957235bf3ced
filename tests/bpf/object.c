/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opens, loads and runs kvmscope's BPF object for the tests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "object.h"

#define LOG_KEPT 2000

const char *object_path;

struct object {
	struct bpf_object *obj;
};

static char log_kept[2 * LOG_KEPT + 1];
static size_t log_len;

static __attribute__((format(printf, 2, 0))) int keep_log(enum libbpf_print_level level,
							  const char *fmt, va_list ap)
{
	char *message;
	size_t len;

	if (level == LIBBPF_DEBUG || vasprintf(&message, fmt, ap) < 0)
		return 0;
	len = strlen(message);
	if (len > LOG_KEPT) /* the verifier's last lines tell why */
		memmove(message, message + len - LOG_KEPT, LOG_KEPT + 1);
	len = strlen(message);
	if (log_len + len >= sizeof(log_kept))
		log_len = 0;
	memcpy(log_kept + log_len, message, len + 1);
	log_len += len;
	free(message);
	return 0;
}

const char *object__log(void)
{
	return log_kept;
}

static bool set_size(struct object *o, const char *map, uint32_t n)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o->obj, map);

	return m && !bpf_map__set_max_entries(m, n);
}

struct object *object__open(const char *types)
{
	static const struct {
		const char *map;
		uint32_t n;
	} sizes[] = {
		{"vcpus", OBJECT_VCPUS + 1}, {"free_vcpus", OBJECT_VCPUS},
		{"slots", 2 * OBJECT_VCPUS}, {"threads", OBJECT_VCPUS},
		{"cells", OBJECT_CELLS + 1}, {"free_cells", OBJECT_CELLS},
		{"details", OBJECT_CELLS},   {"adoptees", OBJECT_VCPUS},
	};
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = types);
	struct object *o = calloc(1, sizeof(*o));
	struct bpf_program *prog;

	if (!o)
		abort();
	libbpf_set_print(keep_log);
	log_len = 0;
	log_kept[0] = '\0';
	o->obj = bpf_object__open_file(object_path, &opts);
	if (!o->obj) {
		free(o);
		return NULL;
	}
	bpf_object__for_each_program (prog, o->obj)
		bpf_program__set_autoload(prog, false);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!set_size(o, sizes[i].map, sizes[i].n)) {
			errno = ENOENT;
			object__close(o);
			return NULL;
		}
	}
	return o;
}

void object__close(struct object *o)
{
	if (!o)
		return;
	bpf_object__close(o->obj);
	free(o);
}

struct bpf_object *object__bpf(struct object *o)
{
	return o->obj;
}

struct bpf_program *object__want(struct object *o, const char *program)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(o->obj, program);

	if (prog)
		bpf_program__set_autoload(prog, true);
	return prog;
}

static struct bpf_map *rodata(struct object *o)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, o->obj)
		if (strstr(bpf_map__name(map), ".rodata"))
			return map;
	return NULL;
}

/* Little endian, as the object is. */
static int set_bytes(struct bpf_map *map, uint32_t offset, uint32_t size, uint64_t value)
{
	size_t all;
	const void *initial = bpf_map__initial_value(map, &all);
	char *data = initial ? malloc(all) : NULL;
	int err;

	if (!data)
		abort();
	memcpy(data, initial, all);
	memcpy(data + offset, &value, size);
	err = bpf_map__set_initial_value(map, data, all);
	free(data);
	return err;
}

bool object__set(struct object *o, const char *variable, uint64_t value)
{
	const struct btf *btf = bpf_object__btf(o->obj);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_var_secinfo *var;
	const struct btf_type *t;

	if (id < 0)
		return false;
	t = btf__type_by_id(btf, id);
	var = btf_var_secinfos(t);
	for (int i = btf_vlen(t); i; i--, var++) {
		t = btf__type_by_id(btf, var->type);
		if (!strcmp(btf__name_by_offset(btf, t->name_off), variable))
			return var->size <= sizeof(value) &&
			       !set_bytes(rodata(o), var->offset, var->size, value);
	}
	return false;
}

static int map_fd(struct object *o, const char *map)
{
	return bpf_object__find_map_fd_by_name(o->obj, map);
}

static int fill(struct object *o, const char *stack, uint32_t last)
{
	int err = 0;

	for (uint32_t i = last; i && !err; i--)
		err = bpf_map_update_elem(map_fd(o, stack), NULL, &i, BPF_ANY);
	return err;
}

int object__load(struct object *o)
{
	int err = bpf_object__load(o->obj);

	err = err ? err : fill(o, "free_vcpus", OBJECT_VCPUS);
	return err ? err : fill(o, "free_cells", OBJECT_CELLS);
}

int object__run(struct object *o, const char *program, const uint64_t *args, size_t n)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = args, .ctx_size_in = n * sizeof(*args));
	struct bpf_program *prog = bpf_object__find_program_by_name(o->obj, program);

	return prog ? bpf_prog_test_run_opts(bpf_program__fd(prog), &run) : -ENOENT;
}

bool object__cell(struct object *o, enum ks_metric metric, uint64_t key, struct ks_cell *ret)
{
	for (uint32_t i = 1; i <= OBJECT_CELLS; i++) {
		if (bpf_map_lookup_elem(map_fd(o, "cells"), &i, ret) || !ret->metric)
			return false; /* they are taken in order */
		if (ret->metric == metric && ret->key == key)
			return true;
	}
	return false;
}

bool object__first_cell(struct object *o, struct ks_cell *ret)
{
	uint32_t one = 1;

	return !bpf_map_lookup_elem(map_fd(o, "cells"), &one, ret) && ret->metric;
}

bool object__vcpu(struct object *o, uint32_t slot, struct ks_vcpu *ret)
{
	return !bpf_map_lookup_elem(map_fd(o, "vcpus"), &slot, ret);
}

unsigned int object__cells(struct object *o)
{
	struct ks_cell cell;
	uint32_t i = 1;

	while (i <= OBJECT_CELLS && !bpf_map_lookup_elem(map_fd(o, "cells"), &i, &cell) &&
	       cell.metric)
		i++;
	return i - 1;
}

uint64_t object__loss(struct object *o, enum ks_loss which)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t key = which;
	uint64_t sum = 0, *values = calloc(cpus > 0 ? cpus : 1, sizeof(*values));

	if (!values)
		abort();
	if (!bpf_map_lookup_elem(map_fd(o, "losses"), &key, values))
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}
