/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's options: the same on the command line and, one a line, in the file. */
#include <argp.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <bpf/libbpf.h>
#include "domain.h"
#include "kvmscoped.h"
#include "options.h"
#include "session.h"
#include "util.h"

#define CONFIG_FILE "/etc/kvmscope/kvmscoped.conf"

enum {
	OPT_CONFIG = 256,
	OPT_LISTEN,
	OPT_UNIX,
	OPT_TEXTFILE,
	OPT_DOMAINS,
	OPT_INTERVAL,
	OPT_MAX_CPU,
	OPT_MAX_VCPUS,
	OPT_MAX_SUBJECTS,
	OPT_MAX_VMS,
	OPT_MAX_SERIES,
	OPT_MAX_VALUES,
	OPT_MAX_CONNECTIONS,
	OPT_GRACE,
	OPT_USER,
	OPT_COST_INTERVAL,
	OPT_CALM,
	OPT_ROOTS,
};

static const struct argp_option options[] = {
	{"config", OPT_CONFIG, "FILE", 0, "Options, one a line: name = value (" CONFIG_FILE ")", 1},
	{"listen", OPT_LISTEN, "ADDR:PORT", 0, "Serve there (127.0.0.1:9736); none; repeatable", 2},
	{"unix", OPT_UNIX, "PATH", 0, "Serve on a unix socket, too", 2},
	{"textfile", OPT_TEXTFILE, "FILE", 0, "Write metrics to FILE, for node_exporter", 2},
	{"interval", OPT_INTERVAL, "SECONDS", 0, "Between two readings without a scrape (5)", 2},
	{"domains", OPT_DOMAINS, "LIST", 0, "What is traced: exits,cpu,disk,net (all there are)",
	 3},
	{"max-cpu", OPT_MAX_CPU, "PERCENT", 0,
	 "Of all CPUs, that tracing may cost (1); 0: no limit", 3},
	{"max-vcpus", OPT_MAX_VCPUS, "N", 0, "Room for N vCPUs (1024)", 4},
	{"max-subjects", OPT_MAX_SUBJECTS, "N", 0,
	 "Room for N disk operations, ways of packets (8192)", 4},
	{"max-vms", OPT_MAX_VMS, "N", 0, "Series for N VMs (1000)", 4},
	{"max-series", OPT_MAX_SERIES, "N", 0, "Series in all (100000)", 4},
	{"max-values", OPT_MAX_VALUES, "N", 0, "Reasons, disks, ... of a VM in a family (24)", 4},
	{"max-connections", OPT_MAX_CONNECTIONS, "N", 0, "To the server (64)", 4},
	{"grace", OPT_GRACE, "SECONDS", 0, "How long an ended VM's series stay (300)", 4},
	{"user", OPT_USER, "NAME", 0, "Who to be after loading, if started as root (kvmscope)", 5},
	{"verbose", 'v', NULL, 0, "Say more", 5},
	{"cost-interval", OPT_COST_INTERVAL, "SECONDS", OPTION_HIDDEN,
	 "Between two looks at the cost", 5},
	{"calm", OPT_CALM, "SECONDS", OPTION_HIDDEN, "Below the limit, before a step is taken back",
	 5},
	{"roots", OPT_ROOTS, "DIR", OPTION_HIDDEN, "Look for VMs in DIR/proc, DIR/sys, DIR/run", 5},
	{"version", 'V', NULL, 0, "Print the version", 6},
	{"help", '?', NULL, 0, "Print this", 6},
	{},
};

struct parsed {
	struct config *config;
	const char *file;
	bool file_named;
	bool first_pass;
	bool listens;
	char *error;
};

static void print_help(void)
{
	puts("Usage: kvmscoped [OPTION...]\n"
	     "Traces this host's virtual machines all the time, and serves metrics to "
	     "Prometheus.\n");
	for (const struct argp_option *o = options; o->name; o++) {
		char left[48];

		if (o->flags & OPTION_HIDDEN)
			continue;
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->key < 256 ? '-' : ' ',
			 o->key < 256 ? o->key : ' ', o->key < 256 ? ", " : "  ", o->name,
			 o->arg ? "=" : "", o->arg ?: "");
		printf("  %-29s %s\n", left, o->doc);
	}
	puts("\nExit status: 0 ended by a signal, 1 failure, 2 usage, 3 privilege missing, 4 "
	     "kernel\n"
	     "or feature missing. See kvmscoped(8).");
}

/* Flushes what was printed. A pipe that nobody reads any more ends quietly. */
static int printed(void)
{
	int err = fflush(stdout) ? errno : ferror(stdout) ? EIO : 0;

	if (!err || err == EPIPE)
		return STATUS_OK;
	log__say(LOG_ERR, "output can't be written to standard output: %s", strerror(err));
	return STATUS_FAILURE;
}

static bool number(const char *arg, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(arg, &end, 10);
	return !errno && end != arg && !*end && *arg != '-' && *ret >= min && *ret <= max;
}

/* unit: what may stand behind it, '\0': nothing. */
static bool real(const char *arg, char unit, double min, double max, double *ret)
{
	char *end;

	*ret = strtod(arg, &end);
	if (*end == unit && unit)
		end++;
	return end != arg && !*end && *ret >= min && *ret <= max;
}

static const char *add_listen(struct config *c, const char *arg)
{
	if (c->n_listen == HTTP_LISTEN_MAX)
		return "is one address too many";
	c->listen[c->n_listen++] = arg;
	return NULL;
}

static const char *set_domains(struct config *c, const char *arg)
{
	char *list = xstrdup(arg), *rest = list, *name;
	const char *wrong = "names no domain";

	while ((name = strsep(&rest, ", "))) {
		if (!*name)
			continue;
		wrong = domain__find(name) ? NULL : "names a domain that there is not";
		if (wrong)
			break;
	}
	free(list);
	c->domains = arg;
	return wrong;
}

/* Returns NULL, or what is wrong with the value. arg must live as long as c. */
static const char *apply(struct config *c, int key, const char *arg)
{
	unsigned long n;
	double v;

	switch (key) {
	case OPT_LISTEN:
		return add_listen(c, arg);
	case OPT_UNIX:
		c->unix_path = arg;
		return *arg == '/' ? NULL : "is no path from the root";
	case OPT_TEXTFILE:
		c->textfile = arg;
		return *arg == '/' ? NULL : "is no path from the root";
	case OPT_DOMAINS:
		return set_domains(c, arg);
	case OPT_USER:
		c->user = arg;
		return getpwnam(arg) ? NULL : "is no user here";
	case OPT_INTERVAL:
		if (!real(arg, '\0', 1, 3600, &v))
			return "is not 1 to 3600 seconds";
		c->interval_ns = (uint64_t)(v * 1e9);
		return NULL;
	case OPT_COST_INTERVAL:
		if (!real(arg, '\0', 0.5, 3600, &v))
			return "is not 0.5 to 3600 seconds";
		c->cost_interval_ns = (uint64_t)(v * 1e9);
		return NULL;
	case OPT_CALM:
		if (!real(arg, '\0', 0.5, 3600, &v))
			return "is not 0.5 to 3600 seconds";
		c->calm_ns = (uint64_t)(v * 1e9);
		return NULL;
	case OPT_GRACE:
		if (!real(arg, '\0', 0, 86400, &v))
			return "is not 0 to 86400 seconds";
		c->ledger.grace_ns = (uint64_t)(v * 1e9);
		return NULL;
	case OPT_MAX_CPU:
		if (!real(arg, '%', 0, 100, &v))
			return "is not 0 to 100 per cent";
		c->max_cpu = v / 100;
		return NULL;
	case OPT_MAX_VCPUS:
		if (!number(arg, 1, SESSION_VCPUS_MAX, &n))
			return "is not 1 to 65536";
		c->max_vcpus = (unsigned int)n;
		return NULL;
	case OPT_MAX_SUBJECTS:
		if (!number(arg, 1, KS_SUBJECTS_MAX, &n))
			return "is not 1 to 16383";
		c->max_subjects = (unsigned int)n;
		return NULL;
	case OPT_MAX_VMS:
		if (!number(arg, 1, 100000, &n))
			return "is not 1 to 100000";
		c->ledger.max_vms = n;
		return NULL;
	case OPT_MAX_SERIES:
		if (!number(arg, 100, 10000000, &n))
			return "is not 100 to 10000000";
		c->ledger.max_series = n;
		return NULL;
	case OPT_MAX_VALUES:
		if (!number(arg, 1, 1000, &n))
			return "is not 1 to 1000";
		c->ledger.max_values = n;
		return NULL;
	case OPT_MAX_CONNECTIONS:
		if (!number(arg, 8, 4096, &n))
			return "is not 8 to 4096";
		c->max_connections = (unsigned int)n;
		return NULL;
	case 'v':
		c->verbose++;
		return NULL;
	case OPT_ROOTS:
		c->roots.proc = xasprintf("%s/proc", arg);
		c->roots.sys = xasprintf("%s/sys", arg);
		c->roots.run = xasprintf("%s/run", arg);
		return NULL;
	default:
		return "is unknown";
	}
}

static const char *name_of(int key)
{
	for (const struct argp_option *o = options; o->name; o++)
		if (o->key == key)
			return o->name;
	return "?";
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parsed *p = state->input;
	const char *wrong;

	switch (key) {
	case OPT_CONFIG:
		p->file = arg;
		p->file_named = true;
		return 0;
	case 'V':
		printf("kvmscoped %s, libbpf %s\n", KVMSCOPE_VERSION, libbpf_version_string());
		exit(printed());
	case '?':
		print_help();
		exit(printed());
	case ARGP_KEY_ARG:
		p->error = p->error ?: xasprintf("'%.64s' is no option; see kvmscoped --help", arg);
		return 0;
	default:
		if (key > OPT_ROOTS || (key != 'v' && key < OPT_CONFIG))
			return ARGP_ERR_UNKNOWN;
		if (p->first_pass) /* it is for the file's name */
			return 0;
		if (key == OPT_LISTEN && !p->listens)
			p->config->n_listen = 0; /* in place of the file's */
		p->listens |= key == OPT_LISTEN;
		wrong = apply(p->config, key, arg);
		if (wrong && !p->error)
			p->error = xasprintf("--%s: '%.64s' %s; see kvmscoped --help", name_of(key),
					     arg ?: "", wrong);
		return 0;
	}
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* One line of the file: name = value, a comment, or nothing. Returns what is wrong. */
static const char *apply_line(struct config *c, char *line)
{
	char *value = strchr(line, '='), *name;

	if (value)
		*value++ = '\0';
	name = trim(line);
	if (!*name || *name == '#')
		return NULL;
	for (const struct argp_option *o = options; o->name; o++) {
		if (strcmp(o->name, name) || o->key == OPT_CONFIG || o->key == 'V' || o->key == '?')
			continue;
		if (!o->arg != !value)
			return o->arg ? "has no value" : "takes no value";
		return apply(c, o->key, value ? xstrdup(trim(value)) : NULL);
	}
	return "is no option";
}

static char *read_file(struct config *c, const char *path, bool must_exist)
{
	FILE *f = fopen(path, "re");
	char *error = NULL, *line = NULL;
	size_t size = 0, n = 0;
	ssize_t len;

	if (!f)
		return !must_exist && errno == ENOENT
			       ? NULL
			       : xasprintf("%s can't be read: %s", path, strerror(errno));
	while (!error && (len = getline(&line, &size, f)) >= 0) {
		char *copy = xstrdup(line);
		/* behind a NUL nobody looks: half a line would pass for one */
		const char *wrong =
			strlen(line) == (size_t)len ? apply_line(c, line) : "has a NUL byte";

		n++;
		if (wrong)
			error = xasprintf("%s, line %zu: '%.64s' %s", path, n, trim(copy), wrong);
		free(copy);
	}
	if (!error && ferror(f))
		error = xasprintf("%s can't be read: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return error;
}

char *config__read(struct config *c, int argc, char **argv)
{
	struct parsed p = {.config = c, .file = CONFIG_FILE, .first_pass = true};
	struct argp argp = {.options = options, .parser = parse};

	*c = (struct config){
		.max_cpu = 0.01,
		.interval_ns = 5 * NSEC_PER_SEC,
		.cost_interval_ns = 10 * NSEC_PER_SEC,
		.calm_ns = 60 * NSEC_PER_SEC,
		.max_vcpus = 1024,
		.max_connections = 64,
		.ledger = ledger_defaults,
	};
	for (int pass = 0; pass < 2 && !p.error; pass++) {
		if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS, NULL, &p)) {
			char *mistake = options__mistake(argv, &argp.options, 1, false);

			p.error = xasprintf("%s; see kvmscoped --help", mistake);
			free(mistake);
			break;
		}
		if (pass == 0 && !p.error)
			p.error = read_file(c, p.file, p.file_named);
		p.first_pass = false;
	}
	if (!p.error && !c->n_listen)
		c->listen[c->n_listen++] = "127.0.0.1:9736";
	return p.error;
}
