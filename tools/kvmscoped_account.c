/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvmscoped's worker: readings of the kernel's counters, added to the account, with the daemon's
 * own metrics; see kvmscoped_worker.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "kvmscoped_worker.h"
#include "snapshot.h"
#include "util.h"

#define TELL_AGAIN_NS (600 * NSEC_PER_SEC) /* what was lost goes to the log so often at most */

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the one by which we look */
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (f && fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_reduced(const struct worker *w)
{
	return w->limit.n_taken > 0;
}

static void own_metrics(struct worker *w)
{
	static const char cost_help[] =
		"What tracing costs, as a share of all CPUs: the programs in "
		"the kernel by domain, and the daemon.";
	const struct costs *c = &w->costs;
	uint64_t cpu_ns = monitor__cpu_time();

	GAUGE("complete", "none", 1,
	      "1: nothing was lost or left out since the last reading, and nothing is reduced.",
	      w->complete);
	for (size_t i = 0; i < w->n_impossible; i++)
		GAUGE("domain_impossible", "none", 1,
		      "1: a domain of the default set that this kernel can't trace; see the log.",
		      1, "domain", w->impossible[i]);
	GAUGE("vms", "none", 1, "VMs that have series, ended ones in their grace included.",
	      ledger__vms(w->ledger));
	GAUGE("series", "none", 1, "Series of VMs.", ledger__series(w->ledger));
	for (size_t i = 0; i < w->n_all; i++) {
		if (!w->all[i]->n_levels)
			continue;
		if (c->known)
			GAUGE("cost", "ratio", 1e-9, cost_help, c->of_domain[i] * 1e9, "part",
			      w->all[i]->name);
		GAUGE("reduced_steps", "none", 1,
		      "Steps that the cost limit has taken a domain down: 0, all of it is traced.",
		      limit__reduced(&w->limit, w->all[i]), "domain", w->all[i]->name);
	}
	if (c->known)
		GAUGE("cost", "ratio", 1e-9, cost_help, c->of_self * 1e9, "part", "daemon");
	GAUGE("cost_limit", "ratio", 1e-9, "The share of all CPUs that tracing may cost; 0: any.",
	      w->limit.max * 1e9);
	COUNTER("daemon_cpu", "seconds", 1e-9,
		"CPU time that the daemon has used, loading programs included.",
		cpu_ns - w->cpu_ns);
	w->cpu_ns = cpu_ns;
	GAUGE("daemon_resident_memory", "bytes", 1, "Resident memory of the daemon.",
	      resident_bytes());
	GAUGE("daemon_open_fds", "none", 1, "Open file descriptors of the daemon.", count_fds());
	GAUGE("read_duration", "seconds", 1e-9, "How long the last reading of the counters took.",
	      w->took_ns);
	COUNTER("http_evicted_connections", "none", 1,
		"Connections that were ended: too many, or too slow.",
		http__evicted(server__http(w->server)) - w->evicted);
	w->evicted = http__evicted(server__http(w->server));
}

/*
 * The slots of vCPUs that ended are free after the next reading but one: where many come and go, or
 * KVM does not tell, there must be one soon.
 */
static bool slots_are_scarce(const struct worker *w)
{
	const struct snapshot *snap = w->monitor->before;
	bool gone = false;

	for (size_t i = 0; i < snap->n_vcpu; i++)
		gone |= snap->vcpu[i].gone;
	return gone || snap->n_vcpu > w->config->max_vcpus / 4;
}

/* In the log, but not each time: kvmscope_lost_total has it all. */
static void tell_losses(const struct report *r)
{
	for (size_t i = 0; i < r->n_loss; i++)
		if (r->loss[i].n)
			log__say(LOG_WARNING, "incomplete: %s %llu: %s", r->loss[i].name,
				 (unsigned long long)r->loss[i].n, r->loss[i].help);
}

/* Reads all counters, and adds them to the account. */
int account__read(struct worker *w, bool final)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	struct report *r;
	char *error;
	int err = monitor__report(w->monitor, final, &r, &error);

	if (err) {
		log__say(LOG_ERR, "%s", error);
		free(error);
		return err;
	}
	ledger__add(w->ledger, r, w->monitor->vms, clock_ns(CLOCK_BOOTTIME));
	monitor__forget_dead(w->monitor);
	if (!r->complete && (!w->told_at || began - w->told_at >= TELL_AGAIN_NS)) {
		w->told_at = began;
		tell_losses(r);
	}
	w->complete = r->complete && !is_reduced(w) && !w->blind_since && !w->n_impossible;
	w->read_at = clock_ns(CLOCK_MONOTONIC);
	w->took_ns = w->read_at - began;
	w->soon = slots_are_scarce(w);
	own_metrics(w);
	report__free(r);
	server__forget(w->server);
	return 0;
}

void account__write_textfile(struct worker *w, uint64_t now)
{
	int err;

	if (!w->config->textfile || now < w->textfile_at)
		return;
	w->textfile_at = now + w->config->interval_ns;
	err = server__write_textfile(w->server);
	if (err && !w->textfile_failed)
		log__say(LOG_ERR, "%s can't be written: %s", w->config->textfile, strerror(-err));
	w->textfile_failed = err;
}

void account__remove_textfile(const char *path)
{
	if (path && unlink(path) && errno != ENOENT)
		log__say(LOG_WARNING, "%s stays behind: %s", path, strerror(errno));
}
