/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope check: what this host can trace and what not, why, and what to do about it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "command.h"
#include "descriptors.h"
#include "session.h"
#include "util.h"

/* What is tried, and by which command it is asked for. Tracing exits must work; the others may not.
 */
static const struct part {
	const char *domain;
	const char *name;
	unsigned int modes;
} parts[] = {
	{"exits", "load and attach", TRACE_COUNTS | TRACE_TIMES | TRACE_USERSPACE},
	{"details", "load and attach details", TRACE_DETAILS},
	{"disk", "load and attach disk", TRACE_DISK | TRACE_DISK_STAGES *KS_STAGES_ALL},
	{"net", "load and attach net", TRACE_NET | TRACE_NET_DRIVER},
};

/* remedy NULL where nothing needs to be done. Copies. */
static void add(struct report *r, const char *name, bool ok, const char *detail, const char *remedy)
{
	struct row *row = row__add(&r->top, "checks");

	row__text(row, "name", name);
	row__bool(row, "ok", ok);
	row__text(row, "detail", detail);
	row__text(row, "remedy", ok ? NULL : remedy);
}

static void check_privilege(struct report *r, const struct features *f)
{
	bool ok = f->cap_bpf && f->cap_perfmon;
	char detail[128];

	snprintf(detail, sizeof(detail), "CAP_BPF %s, CAP_PERFMON %s, CAP_SYS_ADMIN %s",
		 f->cap_bpf ? "yes" : "no", f->cap_perfmon ? "yes" : "no",
		 f->cap_admin ? "yes" : "no");
	add(r, "privilege", ok, detail, "run as root, or with CAP_BPF and CAP_PERFMON");
	if (ok)
		add(r, "module BTF access", f->cap_admin,
		    f->cap_admin ? "CAP_SYS_ADMIN yes" : "the types of kvm.ko need CAP_SYS_ADMIN",
		    "run as root, or add CAP_SYS_ADMIN; else classic tracepoints are used");
	add(r, "names", f->cap_ptrace,
	    f->cap_ptrace ? "other users' processes can be looked at"
			  : "VMs of other users can't be found: CAP_SYS_PTRACE is missing",
	    "run as root, or add CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH");
}

static void check_kernel(struct report *r, const struct features *f)
{
	/* see vcpu_exit_code() in bpf/compat.bpf.h: the vCPU is kvm_exit's first argument since the
	 * reason is none */
	bool reads = f->kvm_types && features__tp_arg_struct(f, "kvm_exit", "kvm_vcpu") == 0;
	char detail[256];
	bool ok;

	add(r, "kernel", true, f->release, NULL);
	add(r, "kvm", f->kvm, f->kvm ? "this kernel has it" : "/dev/kvm is missing",
	    features__kvm_remedy(f));
	snprintf(detail, sizeof(detail), "%s%s", *f->backend_names ? f->backend_names : "none",
		 f->backends && !(f->backends & ~BACKEND_OTHER)
			 ? ": it reports no kvm_exit, so that only exits to user space are seen"
			 : "");
	ok = f->backends & ~BACKEND_OTHER;
	add(r, "back end", ok, detail,
	    f->backends ? "none on this host: exits inside the kernel need kvm_intel or kvm_amd"
			: features__kvm_remedy(f));
	snprintf(detail, sizeof(detail), "at most %lu, of which tracing takes up to %d",
		 descriptors__limit(), DESCRIPTORS_LEAST);
	add(r, "open files", descriptors__limit() >= DESCRIPTORS_LEAST, detail, DESCRIPTORS_REMEDY);
	snprintf(detail, sizeof(detail), "/sys/kernel/btf/vmlinux%s%s",
		 f->vmlinux_btf ? ""
		 : f->btf_err	? " can't be read: "
				: " is missing",
		 f->btf_err ? strerror(-f->btf_err) : "");
	add(r, "BTF", f->vmlinux_btf, detail,
	    f->btf_err ? "see above" : "use a kernel with CONFIG_DEBUG_INFO_BTF");
	add(r, "BTF of KVM", f->kvm_btf,
	    f->kvm_btf ? "the types of KVM's events are known"
		       : "no BTF for KVM: the forms of its events are tried in turn",
	    "use a kernel with CONFIG_DEBUG_INFO_BTF_MODULES (v5.11), as root");
	add(r, "cheap reads", f->rdonly_cast || !reads,
	    f->rdonly_cast ? "bpf_rdonly_cast"
	    : reads	   ? "no bpf_rdonly_cast: an exit costs some 80 instructions more"
			   : "none needed: exits are traced with the reason in the event",
	    "a kernel of v6.2 or later has it");
	ok = strcmp(f->lockdown, "confidentiality") != 0;
	add(r, "lockdown", ok, f->lockdown,
	    "boot with lockdown=integrity: confidentiality forbids BPF to read the kernel");
	add(r, "tracefs", *f->tracefs, *f->tracefs ? f->tracefs : "not mounted",
	    "mount -t tracefs none /sys/kernel/tracing, which this process may not (needed for "
	    "classic tracepoints)");
	add(r, "debugfs", f->debugfs_kvm,
	    f->debugfs_kvm ? "/sys/kernel/debug/kvm" : "/sys/kernel/debug/kvm can't be read",
	    "mount -t debugfs none /sys/kernel/debug (it tells vCPU ids before their first exit)");
}

/* Returns those of the part's modes that this kernel has the events for. */
static unsigned int check_events(struct report *r, const struct features *f,
				 const struct part *part)
{
	const struct domain *d = domain__find(part->domain);
	unsigned int modes = part->modes;
	struct choice *choices;
	size_t n = session__choose(f, &d, 1, part->modes, RUNG_BTF, &choices);
	char name[96], detail[256];

	for (size_t i = 0; i < n; i++) {
		const struct choice *c = &choices[i];
		bool absent = !c->rung && choice__is_absent(c);
		const char *why = c->why;

		snprintf(name, sizeof(name), "%s:%s", c->event->system, c->event->name);
		if (absent)
			modes &= ~c->event->modes;
		/* the same form, for another kernel's arguments: there is nothing to be had */
		if (c->rung &&
		    !strncmp(why, rung__name(c->rung->kind), strlen(rung__name(c->rung->kind))))
			why = "";
		if (c->rung)
			snprintf(detail, sizeof(detail), "%s%s%s%s", rung__name(c->rung->kind),
				 *why ? "; no " : "", why,
				 rung__may_be_skipped(f, c->event, c->rung)
					 ? "; under load runs of it may be skipped, which is told"
					 : "");
		else
			snprintf(detail, sizeof(detail), "%s",
				 absent	   ? c->event->absent
				 : *c->why ? c->why
					   : "no program");
		add(r, name, c->rung || c->event->optional || absent, detail,
		    "see the lines above for what is missing");
	}
	free(choices);
	return modes;
}

/* What is in no event's line. */
static void check_sources(struct report *r, const struct features *f)
{
	bool reasons = features__tp_args(f, "kfree_skb") > 2;
	bool groups = features__has_member(f, "bio", "bi_blkg");

	/* those of bio and request may be as old as the submitter's plug: v6.9, 06b23f92af87 */
	add(r, "clock of block I/O", true,
	    "kvmscope's own, at each event; none of the kernel's stamps in bios and requests",
	    NULL);
	if (f->cap_bpf)
		add(r, "places of block I/O", f->cmpxchg,
		    f->cmpxchg ? "two CPUs may look for one at the same moment"
			       : "no BPF_CMPXCHG: of two requests that CPUs note in the same place "
				 "at the same moment one may be lost",
		    "a kernel of v5.12 or later has it");
	add(r, "owner of block I/O", groups,
	    groups ? "the task that queues it, else its cgroup; disk --stages d2c: the cgroup "
		     "alone, "
		     "while each VM has its own"
		   : "the task that queues it: this kernel does not tell I/O's cgroup",
	    "use a kernel with CONFIG_BLK_CGROUP");
	add(r, "drop reasons", reasons,
	    reasons ? "the kernel's own, by the names in its BTF"
		    : "this kernel tells none: the function that dropped a packet is shown",
	    "a kernel of v5.17 or later has them");
}

static void check_coverage(struct report *r, struct session *s)
{
	bool ok = session__audit(s) == 0;

	add(r, "coverage", ok,
	    ok ? "exits are counted against vcpu->stat.exits"
	       : "vcpu->stat.exits can't be read: nothing tells whether all exits were seen",
	    "use a kernel whose KVM has BTF, as root");
}

/* Nothing convinces like doing it. */
static int check_load(struct report *r, struct features *f, const struct part *part,
		      unsigned int modes)
{
	struct session_opts opts = {.modes = modes, .max_vcpus = 16, .max_subjects = 64};
	const struct domain *d = domain__find(part->domain);
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct session *s;
	char *error, detail[128];
	int err;

	err = session__open(&s, f, &d, 1, &opts, &error);
	if (!err) {
		err = session__attach(s, &error);
		if (err)
			session__close(s);
	}
	if (err) {
		add(r, part->name, false, error, "see above; -vv shows libbpf's messages");
		free(error);
		return err;
	}
	snprintf(detail, sizeof(detail), "done in %llu ms",
		 (unsigned long long)(session__attached_at(s) - start) / 1000000);
	add(r, part->name, true, detail, NULL);
	if (part->modes & TRACE_TIMES && f->backends & ~BACKEND_OTHER)
		check_coverage(r, s);
	session__close(s);
	return 0;
}

static int check_loads(struct report *r, struct features *f, const unsigned int *modes)
{
	int status = STATUS_OK, err;

	if (!f->cap_bpf || !f->cap_perfmon) {
		add(r, parts[0].name, false, "not tried: privilege is missing", "run as root");
		return STATUS_PRIVILEGE;
	}
	if (descriptors__limit() < DESCRIPTORS_LEAST) {
		add(r, parts[0].name, false, "not tried: too few files may be open", "see above");
		return STATUS_FAILURE;
	}
	if (!f->kvm || !f->backends) {
		add(r, parts[0].name, false, "not tried: there is no KVM", "see above");
		return STATUS_KERNEL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		err = check_load(r, f, &parts[i], modes[i]);
		if (err && i == 0)
			status = err == -EPERM || err == -EACCES ? STATUS_PRIVILEGE
				 : descriptors__exhausted(err)	 ? STATUS_FAILURE
								 : STATUS_KERNEL;
	}
	return status;
}

static void text_checks(struct text *t, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = rows->row[i];
		bool ok = row__field(row, "ok")->truth;
		const char *remedy = row__get_text(row, "remedy");

		text__colored(t, ok ? TEXT_PLAIN : TEXT_YELLOW, "%-3s %-28s %s", ok ? "ok" : "no",
			      row__get_text(row, "name"), row__get_text(row, "detail"));
		if (remedy)
			text__line(t, "    -> %s", remedy);
	}
}

static int run(const struct common *c, const void *opts)
{
	struct features *f = features__new();
	struct report *r = report__new("check");
	unsigned int modes[ARRAY_SIZE(parts)];
	int status, written, err;
	FILE *out = NULL;

	(void)opts;
	if (c->n_patterns || c->n_pids) {
		complain("check looks at the host, and takes neither --vm nor --pid; see kvmscope "
			 "check --help");
		status = STATUS_USAGE;
		goto out;
	}
	out = output__open(c);
	if (!out) {
		status = STATUS_FAILURE;
		goto out;
	}
	clock_gettime(CLOCK_REALTIME, &r->start);
	row__list(&r->top, "checks");
	check_privilege(r, f);
	check_kernel(r, f);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		modes[i] = check_events(r, f, &parts[i]);
	check_sources(r, f);
	status = check_loads(r, f, modes);
	if (c->json) {
		err = sink_json__write(out, r, &c->sink);
	} else {
		struct text *t = text__begin(out, &c->sink);

		text_checks(t, row__get_rows(&r->top, "checks"));
		err = text__end(t);
	}
	written = output__status(c, err);
	if (written >= 0)
		status = written;
out:
	if (out && out != stdout)
		fclose(out);
	report__free(r);
	features__free(f);
	return status;
}

COMMAND(cmd_check) = {
	.name = "check",
	.summary = "What this host can trace and what not, each with why and what to do",
	.examples = "  kvmscope check\n"
		    "  kvmscope check -j        for a bug report\n",
	.run = run,
};
