/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope vms: which VMs run here, and how it was found out what they are called. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "command.h"
#include "join.h"
#include "layout.h"
#include "util.h"

static void vm_row(struct row *row, const struct vm *vm)
{
	join__vm(row, vm);
	row__list(row, "vcpus");
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		struct row *r = row__add(row, "vcpus");

		row__i64(r, "id", vm->vcpus[i].id);
		row__u64(r, "tid", vm->vcpus[i].tid);
	}
	row__list(row, "nics");
	for (size_t i = 0; i < vm->n_nics; i++)
		row__text(row__add(row, "nics"), "name", vm->nics[i].name);
	row__list(row, "disks");
	for (size_t i = 0; i < vm->n_disks; i++) {
		struct row *r = row__add(row, "disks");

		row__text(r, "target", *vm->disks[i].target ? vm->disks[i].target : NULL);
		row__text(r, "source", vm->disks[i].source);
	}
	row__text(row, "cgroup", *vm->cgroup ? vm->cgroup : NULL);
}

static void line(struct text *t, const char *what, const char *value)
{
	if (value)
		text__line(t, "    %-7s %s", what, text__safe(t, value, 66));
}

static void text_vm(struct text *t, const struct row *vm)
{
	const struct rows *vcpus = row__get_rows(vm, "vcpus");
	const struct rows *nics = row__get_rows(vm, "nics");
	const struct rows *disks = row__get_rows(vm, "disks");
	const char *tids = "";

	text__colored(t, TEXT_BOLD, "%s   %s   pid %llu   named by %s",
		      text__safe(t, row__get_text(vm, "name"), 40), row__get_text(vm, "platform"),
		      (unsigned long long)row__get_u64(vm, "pid"),
		      row__get_text(vm, "name_source"));
	line(t, "uuid", row__get_text(vm, "uuid"));
	for (size_t i = 0; i < vcpus->n; i++) {
		const struct field *id = row__field(vcpus->row[i], "id");
		unsigned long long tid = row__get_u64(vcpus->row[i], "tid");

		tids = text__format(
			t, "%s%s%s:%s", tids, i ? "  " : "",
			id->num.negative
				? "?"
				: text__format(t, "%llu", (unsigned long long)id->num.value),
			tid ? text__format(t, "%llu", tid) : "?");
	}
	line(t, "vCPUs", vcpus->n ? text__format(t, "%zu   id:tid  %s", vcpus->n, tids) : NULL);
	for (size_t i = 0; i < nics->n; i++)
		line(t, "nic", row__get_text(nics->row[i], "name"));
	for (size_t i = 0; i < disks->n; i++) {
		const char *target = row__get_text(disks->row[i], "target");

		line(t, "disk",
		     text__format(t, "%s%s%s", target ? target : "", target ? "  " : "",
				  row__get_text(disks->row[i], "source")));
	}
	line(t, "cgroup", row__get_text(vm, "cgroup"));
}

/* Who can't look into a process can't tell whether it is a VM. */
static void add_unreadable(struct report *r, size_t n, bool root)
{
	char *note;

	if (!n)
		return;
	note = xasprintf("there may be more VMs: %zu processes can't be looked into; %s", n,
			 root ? "CAP_SYS_PTRACE is missing"
			      : "run as root, or with CAP_SYS_PTRACE");
	report__add_note(r, note);
	free(note);
	r->complete = false;
}

static int run(const struct common *c, const void *opts)
{
	struct vms *vms = vms__open(&c->roots);
	struct report *r = report__new("vms");
	size_t n, shown = 0;
	struct vm **all;
	int status = STATUS_OK, found, err;
	FILE *out;

	(void)opts;
	for (size_t i = 0; i < c->n_patterns; i++) {
		if (!vms__want(vms, c->patterns[i]))
			continue;
		complain("'%.64s' can't be a VM's name, uuid, pid or a glob", c->patterns[i]);
		status = STATUS_USAGE;
		goto out;
	}
	for (size_t i = 0; i < c->n_pids; i++)
		vms__want_pid(vms, c->pids[i]);
	found = vms__rescan(vms);
	if (found < 0) {
		complain("VMs can't be looked for: /proc: %s", strerror(-found));
		status = STATUS_FAILURE;
		goto out;
	}
	clock_gettime(CLOCK_REALTIME, &r->start);
	row__list(&r->top, "vms");
	n = vms__all(vms, &all);
	for (size_t i = 0; i < n; i++) {
		if (!all[i]->wanted)
			continue;
		vm_row(row__add(&r->top, "vms"), all[i]);
		shown++;
	}
	if ((c->n_patterns || c->n_pids) && !shown) {
		status = complain_no_vm(c, vms);
		goto out;
	}
	add_unreadable(r, vms__unreadable(vms), geteuid() == 0);
	out = output__open(c);
	if (!out) {
		status = STATUS_FAILURE;
		goto out;
	}
	if (c->json) {
		err = sink_json__write(out, r, &c->sink);
	} else {
		struct text *t = text__begin(out, &c->sink);
		const struct rows *rows = row__get_rows(&r->top, "vms");

		if (!rows->n)
			text__line(t, "no VM runs here%s",
				   r->complete ? "" : " that this user may look at");
		for (size_t i = 0; i < rows->n; i++)
			text_vm(t, rows->row[i]);
		for (size_t i = 0; i < r->n_note; i++)
			text__line(t, "! %s", r->note[i]);
		err = text__end(t);
	}
	status = output__status(c, err);
	status = status < 0 ? STATUS_OK : status;
	if (status == STATUS_OK && c->strict && !r->complete) {
		complain("not all could be looked at, and --strict was given");
		status = STATUS_LOST;
	}
	if (out != stdout && fclose(out) && status == STATUS_OK)
		status = output__status(c, -errno);
out:
	report__free(r);
	vms__close(vms);
	return status;
}

COMMAND(cmd_vms) = {
	.name = "vms",
	.summary = "Which VMs run here: names, processes, vCPUs, interfaces, disks",
	.examples = "  kvmscope vms\n"
		    "  kvmscope vms -j | jq -r '.vms[].name'\n",
	.run = run,
};
