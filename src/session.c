/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The BPF object's life: which programs, which sizes, load, attach, detach. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "core_btf.h"
#include "cpus.h"
#include "descriptors.h"
#include "session_internal.h"
#include "util.h"

static void (*log_line)(const char *message);
static char last_error[256]; /* of libbpf's messages: why a load failed */

static __attribute__((format(printf, 2, 0))) int on_libbpf(enum libbpf_print_level level,
							   const char *fmt, va_list ap)
{
	char *message;

	/* they are thousands, each to be formatted */
	if ((level == LIBBPF_DEBUG && !log_line) || vasprintf(&message, fmt, ap) < 0)
		return 0;
	/* the first one says what failed; the verifier's log and what failed with it come after */
	if (level == LIBBPF_WARN && !*last_error)
		snprintf(last_error, sizeof(last_error), "%.*s", (int)strcspn(message, "\n"),
			 message);
	if (log_line)
		log_line(message);
	free(message);
	return 0;
}

void session__set_log(void (*log)(const char *message))
{
	log_line = log;
}

/* --- opening */

int session__set(struct session *s, const char *variable, uint64_t value)
{
	const struct btf *btf = bpf_object__btf(s->skel->obj);
	const struct btf_var_secinfo *var;
	const struct btf_type *sec, *t;
	char *data = (char *)s->skel->rodata;
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);

	if (id < 0)
		return -ENOENT;
	sec = btf__type_by_id(btf, id);
	var = btf_var_secinfos(sec);
	for (int i = 0; i < btf_vlen(sec); i++, var++) {
		t = btf__type_by_id(btf, var->type);
		if (strcmp(btf__name_by_offset(btf, t->name_off), variable))
			continue;
		if (var->size > sizeof(value))
			return -ENOENT;
		memcpy(data + var->offset, &value, var->size); /* little endian, as BPF's target */
		return 0;
	}
	return -ENOENT;
}

int session__set_offsets(struct session *s, const struct features *f, const char *system,
			 const struct record_field *fields, size_t n)
{
	int at, err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		at = features__tp_field(f, system, fields[i].event, fields[i].field);
		if (at > 0)
			err = session__set(s, fields[i].variable, at);
	}
	return err;
}

int session__resize(struct session *s, const char *map, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(s->skel->obj, map);

	return m ? bpf_map__set_max_entries(m, entries) : -ENOENT;
}

int session__map(const struct session *s, const char *map)
{
	return bpf_object__find_map_fd_by_name(s->skel->obj, map);
}

struct bpf_program *session__program(const struct session *s, const char *name)
{
	return bpf_object__find_program_by_name(s->skel->obj, name);
}

unsigned int session__modes(const struct session *s)
{
	return s->modes;
}

bool session__is_fixed(const struct session *s)
{
	return s->fixed;
}

static void find_sizes(struct session *s, const struct session_opts *opts,
		       const struct domain *const *domains, size_t n, uint32_t cpus)
{
	struct session_needs needs = {
		.cpus = cpus,
		.vcpus = opts->max_vcpus ? opts->max_vcpus : SESSION_VCPUS_DEFAULT,
		.subjects = opts->max_subjects,
		.details = opts->modes & TRACE_DETAILS,
	};

	for (size_t i = 0; i < n; i++) {
		needs.disk |= domains[i]->subjects == KS_D_DISK;
		needs.net |= domains[i]->subjects && domains[i]->subjects != KS_D_DISK;
	}
	session_sizes__find(&s->sizes, &needs);
}

static int set_sizes(struct session *s, const struct session_opts *opts,
		     const struct domain *const *domains, size_t n)
{
	const struct session_sizes *z = &s->sizes;
	int err = 0, cpus = cpus__numbers();

	if (cpus < 0)
		return cpus;
	find_sizes(s, opts, domains, n, cpus);
	/* number 0 stands for none, in all but the tallies */
	s->arrays[ARRAY_VCPUS] = (struct array){-1, sizeof(struct ks_vcpu), z->vcpus, 0};
	s->arrays[ARRAY_CELLS] = (struct array){-1, sizeof(struct ks_cell), z->cells, 0};
	s->arrays[ARRAY_SUBJECTS] =
		(struct array){-1, sizeof(struct ks_subject_slot), z->subjects, 0};
	s->arrays[ARRAY_TALLIES] = (struct array){-1, sizeof(struct ks_tally), z->tallies, 0};
	s->arrays[ARRAY_DISK_HISTS] = (struct array){-1, sizeof(struct ks_disk_hists), z->hists, 0};
	err = err ?: bpf_map__set_max_entries(s->skel->maps.vcpus, z->vcpus);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.free_vcpus, z->vcpus - 1);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.slots, (z->vcpus - 1) * 2);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.threads, z->vcpus - 1);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.cells, z->cells);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.free_cells, z->cells - 1);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.details, z->details);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.adoptees, z->vcpus - 1);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.subjects, z->subjects);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.tallies, z->tallies);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.subject_numbers, z->subjects);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.free_subjects, z->subjects);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.disk_hists, z->hists);
	err = err ?: bpf_map__set_max_entries(s->skel->maps.free_disk_hists, z->hists);
	err = err ?: session__set(s, "cfg_subjects", z->subjects);
	return err;
}

/* Fills a stack with the numbers from last down to 1, so that 1 is taken first. */
static int fill(struct session *s, enum ks_fill which, struct bpf_map *stack, uint32_t last)
{
	__u64 ctx[2] = {which, last};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = ctx, .ctx_size_in = sizeof(ctx));
	int err = 0;

	while (ctx[1] &&
	       !bpf_prog_test_run_opts(bpf_program__fd(s->skel->progs.fill__numbers), &run)) {
		if (run.retval)
			return -E2BIG;
		ctx[1] -= MIN(ctx[1], KS_FILL_BATCH);
	}
	/* where the kernel lets nobody run a program so, one by one */
	for (uint32_t i = ctx[1]; i && !err; i--)
		err = bpf_map_update_elem(bpf_map__fd(stack), NULL, &i, BPF_ANY);
	return err;
}

static int configure(struct session *s, const struct features *f, const struct session_opts *opts,
		     const struct domain *const *domains, size_t n)
{
	int err = 0;

	err = err ?: session__set(s, "cfg_cast", f->rdonly_cast);
	err = err ?: session__set(s, "cfg_switch_state", features__tp_args(f, "sched_switch") > 3);
	err = err ?: session__set(s, "cfg_filter", opts->filter);
	err = err ?: session__set(s, "cfg_counts", !(opts->modes & TRACE_TIMES));
	for (size_t i = 0; i < n && !err; i++)
		if (domains[i]->configure)
			err = domains[i]->configure(s, f);
	for (size_t i = 0; i < opts->n_constants && !err; i++)
		err = session__set(s, opts->constants[i].name, opts->constants[i].value);
	return err;
}

/* One attempt with no cheaper form than floor. -EAGAIN: a lower rung may still work. */
static int try_load(struct session *s, struct features *f, const struct domain *const *domains,
		    size_t n, const struct session_opts *opts, enum rung_kind floor,
		    const struct core_btf_file *types, char **ret_error)
{
	LIBBPF_OPTS(bpf_object_open_opts, how, .btf_custom_path = types->path);
	struct bpf_program *prog;
	bool unreadable;
	int err;

	free(s->choices);
	s->n_choices = session__choose(f, domains, n, opts->modes, floor, &s->choices);
	for (size_t i = 0; i < s->n_choices; i++) {
		const struct choice *c = &s->choices[i];

		if (c->rung || c->event->optional)
			continue;
		unreadable = !f->cap_dac && features__tp_field(f, c->event->system, c->event->name,
							       "common_pid") == -EACCES;
		*ret_error = xasprintf(
			"event %s:%s can't be traced: %s%s", c->event->system, c->event->name,
			*c->why ? c->why : "no program for it",
			unreadable ? "; CAP_DAC_READ_SEARCH is missing, without which this user "
				     "can't read tracefs"
				   : "");
		return unreadable ? -EPERM : -ENOTSUP;
	}
	s->skel = kvmscope_bpf__open_opts(&how);
	if (!s->skel) {
		err = -errno;
		*ret_error = xasprintf("BPF object can't be opened: %s", last_error);
		return err;
	}
	bpf_object__for_each_program (prog, s->skel->obj)
		bpf_program__set_autoload(prog, false);
	for (size_t i = 0; i < s->n_choices; i++)
		if (s->choices[i].rung)
			bpf_program__set_autoload(session__program(s, s->choices[i].rung->program),
						  true);
	bpf_program__set_autoload(s->skel->progs.fill__numbers, true);
	bpf_program__set_autoload(s->skel->progs.vcpu__audit, true);
	bpf_program__set_autoload(s->skel->progs.vcpu__adopt, opts->modes & TRACE_TIMES);
	err = set_sizes(s, opts, domains, n);
	err = err ?: configure(s, f, opts, domains, n);
	if (err) {
		*ret_error = xasprintf("BPF object can't be configured: %s", strerror(-err));
		return err;
	}
	err = core_btf__fill(types, f, bpf_object__btf(s->skel->obj));
	if (err) {
		*ret_error = xasprintf("the kernel's types can't be copied: %s", strerror(-err));
		return err;
	}
	features__drop_btf(f); /* libbpf parses its own: not both at once */
	err = kvmscope_bpf__load(s->skel);
	if (err) {
		const char *why = "";

		/* before v6.2 there is no bpf_rdonly_cast, and libbpf looks for it in all modules
		 */
		if (!f->kvm_types && !f->rdonly_cast && strstr(last_error, "iterate BTF")) {
			err = -EPERM;
			why = "; CAP_SYS_ADMIN is missing, which this takes before v6.2";
		} else if (err == -EPERM && !f->cap_admin && strstr(last_error, "map")) {
			why = "; before v5.11 maps are locked memory: raise RLIMIT_MEMLOCK "
			      "(LimitMEMLOCK=infinity), or add CAP_SYS_RESOURCE";
		}
		/* what libbpf says first is then something that it gets on without */
		if (descriptors__exhausted(err))
			*ret_error =
				xasprintf("BPF programs can't be loaded: %s; " DESCRIPTORS_REMEDY,
					  strerror(-err));
		else if (err == -ENOMEM && strstr(last_error, "map"))
			*ret_error = xasprintf(
				"BPF maps can't be created: %s; they take %u MiB of the kernel's "
				"memory: lower --max-subjects or --max-vcpus, or raise the limit "
				"that this process has (MemoryMax= of a unit)",
				strerror(-err),
				(unsigned int)(session_sizes__bytes(&s->sizes) >> 20));
		else
			*ret_error = xasprintf("BPF programs can't be loaded: %s (%s)%s",
					       strerror(-err), last_error, why);
		kvmscope_bpf__destroy(s->skel);
		s->skel = NULL;
		return err == -EPERM || err == -ENOMEM || descriptors__exhausted(err) ||
				       floor == RUNG_TP
			       ? err
			       : -EAGAIN;
	}
	return 0;
}

static int attach(struct session *s, size_t i)
{
	struct choice *c = &s->choices[i];
	int err;

	s->links[i] = bpf_program__attach(session__program(s, c->rung->program));
	if (s->links[i])
		return 0;
	err = -errno;
	snprintf(c->why, sizeof(c->why), "%s: attaching failed: %s", rung__name(c->rung->kind),
		 strerror(-err));
	return err;
}

void session__put_off(struct session *s, const char *event)
{
	for (size_t i = 0; i < s->n_choices; i++)
		s->choices[i].put_off |= !strcmp(s->choices[i].event->name, event);
}

int session__attach_late(struct session *s, const char *event)
{
	int err = 0;

	for (size_t i = 0; i < s->n_choices && !err; i++) {
		struct choice *c = &s->choices[i];

		if (!c->put_off || strcmp(c->event->name, event))
			continue;
		/* before session__attach(), that does it */
		err = s->links && c->rung ? attach(s, i) : 0;
		c->put_off = err;
	}
	return err;
}

int session__attach(struct session *s, char **ret_error)
{
	bool refused;
	int err;

	*ret_error = NULL;
	s->links = xcalloc(s->n_choices, sizeof(*s->links));
	for (size_t i = 0; i < s->n_choices; i++) {
		struct choice *c = &s->choices[i];

		if (!c->rung || c->put_off)
			continue;
		err = attach(s, i);
		refused = err == -EACCES || err == -EPERM;
		if (err && !c->event->optional) {
			*ret_error = xasprintf(
				"event %s:%s can't be attached to: %s%s", c->event->system,
				c->event->name, c->why,
				refused ? "; CAP_SYS_ADMIN is missing, or "
					  "kernel.perf_event_paranoid "
					  "is above 2, where Debian's kernels want it for classic "
					  "tracepoints"
					: "");
			return refused ? -EPERM : descriptors__exhausted(err) ? err : -ENOTSUP;
		}
	}
	s->attached_at = clock_ns(CLOCK_MONOTONIC);
	return 0;
}

int session__open(struct session **ret, struct features *f, const struct domain *const *domains,
		  size_t n, const struct session_opts *opts, char **ret_error)
{
	struct session *s = xcalloc(1, sizeof(*s));
	int err, cpus = cpus__numbers();
	struct core_btf_file types = {.fd = -1};
	char *error;

	*ret_error = NULL;
	if (cpus > KS_MAX_CPUS) { /* two of them would share a place in here[] */
		*ret_error =
			xasprintf("this host's CPUs may have numbers up to %d, and kvmscope has "
				  "places for %d",
				  cpus - 1, KS_MAX_CPUS);
		err = -ENOTSUP;
		goto out;
	}
	s->modes = opts->modes;
	s->fixed = opts->fixed;
	libbpf_set_print(on_libbpf);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	core_btf__open(&types, f);
	err = -EAGAIN;
	for (int floor = RUNG_BTF; floor <= RUNG_TP && err == -EAGAIN; floor++) {
		error = NULL;
		*last_error = '\0';
		features__load_btf(f);
		err = try_load(s, f, domains, n, opts, floor, &types, &error);
		if (!err) {
			free(*ret_error);
			*ret_error = NULL;
		} else if (!*ret_error) {
			*ret_error = error; /* the first is the one that tells */
		} else {
			free(error);
		}
	}
	features__drop_btf(f);
	if (err)
		goto out;
	s->arrays[ARRAY_VCPUS].fd = bpf_map__fd(s->skel->maps.vcpus);
	s->arrays[ARRAY_CELLS].fd = bpf_map__fd(s->skel->maps.cells);
	s->arrays[ARRAY_SUBJECTS].fd = bpf_map__fd(s->skel->maps.subjects);
	s->arrays[ARRAY_TALLIES].fd = bpf_map__fd(s->skel->maps.tallies);
	s->arrays[ARRAY_DISK_HISTS].fd = bpf_map__fd(s->skel->maps.disk_hists);
	err = fill(s, KS_FILL_VCPUS, s->skel->maps.free_vcpus, s->arrays[ARRAY_VCPUS].entries - 1);
	err = err
		      ?: fill(s, KS_FILL_CELLS, s->skel->maps.free_cells,
			      s->arrays[ARRAY_CELLS].entries - 1);
	err = err
		      ?: fill(s, KS_FILL_SUBJECTS, s->skel->maps.free_subjects,
			      s->arrays[ARRAY_SUBJECTS].entries - 1);
	err = err
		      ?: fill(s, KS_FILL_DISK_HISTS, s->skel->maps.free_disk_hists,
			      s->arrays[ARRAY_DISK_HISTS].entries - 1);
	if (err)
		*ret_error = xasprintf("BPF maps can't be filled: %s", strerror(-err));
out:
	core_btf__close(&types);
	if (err) {
		session__close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void session__close(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->links && i < s->n_choices; i++)
		bpf_link__destroy(s->links[i]);
	kvmscope_bpf__destroy(s->skel);
	free(s->links);
	free(s->choices);
	free(s);
}

size_t session__choices(const struct session *s, const struct choice **ret)
{
	*ret = s->choices;
	return s->n_choices;
}

uint64_t session__attached_at(const struct session *s)
{
	return s->attached_at;
}
