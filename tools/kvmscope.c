/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope: options that all commands share, and the way to the command. */
#include <errno.h>
#include <fnmatch.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "command.h"
#include "descriptors.h"
#include "options.h"
#include "session.h"
#include "util.h"

extern const struct command *const __start_ks_commands[], *const __stop_ks_commands[];

/* The command that runs when none is named. */
#define DEFAULT_COMMAND "summary"

enum {
	OPT_COLOR = 256,
	OPT_STRICT,
	OPT_MAX_VCPUS,
	OPT_MAX_SUBJECTS,
	OPT_ROOTS,
	OPT_USAGE,
};

static const struct argp_option common_options[] = {
	{"vm", 'n', "VM", 0, "Only this VM: name, uuid, pid, or a glob; repeatable", 1},
	{"pid", 'p', "PID", 0, "Only the VM whose process this is", 1},
	{"histograms", 'H', NULL, 0, "Draw the histograms (in JSON: their buckets)", 2},
	{"json", 'j', NULL, 0, "One JSON object a line for each interval", 2},
	{"timestamps", 'T', NULL, 0, "The time of day before each report", 2},
	{"output", 'o', "FILE", 0, "Reports go to FILE; SIGHUP opens it again", 2},
	{"quiet", 'q', NULL, 0, "Nothing on stderr but errors", 2},
	{"verbose", 'v', NULL, 0, "Say more; twice: libbpf's messages too", 2},
	{"color", OPT_COLOR, "WHEN", 0, "auto, always or never (NO_COLOR is heeded)", 2},
	{"strict", OPT_STRICT, NULL, 0, "Exit with 6 if data was lost", 3},
	{"max-vcpus", OPT_MAX_VCPUS, "N", 0, "Room for N vCPUs (512)", 3},
	{"max-subjects", OPT_MAX_SUBJECTS, "N", 0,
	 "Room for N disk operations, ways of packets (8192)", 3},
	{"roots", OPT_ROOTS, "DIR", OPTION_HIDDEN, "Look for VMs in DIR/proc, DIR/sys, DIR/run", 3},
	{"version", 'V', NULL, 0, "Print the version", 4},
	{"help", '?', NULL, 0, "Print this", 4},
	{},
};

struct parsed {
	struct common common;
	const struct command *command;
	void *opts;
	const char *color;
	int positional;
};

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	flockfile(stderr);
	fputs("kvmscope: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(ap);
}

void inform(const struct common *c, const char *fmt, ...)
{
	va_list ap;

	if (c->sink.quiet)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static const struct command *find_command(const char *name)
{
	for (const struct command *const *c = __start_ks_commands; c < __stop_ks_commands; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct command *const *)a)->name,
		      (*(const struct command *const *)b)->name);
}

static void print_options(const struct argp_option *o)
{
	for (; o && (o->name || o->key); o++) {
		char left[48];

		if (o->flags & OPTION_HIDDEN)
			continue;
		if (o->key > ' ' && o->key < 127)
			snprintf(left, sizeof(left), "-%c, --%s%s%s", o->key, o->name,
				 o->arg ? "=" : "", o->arg ?: "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s", o->name, o->arg ? "=" : "",
				 o->arg ?: "");
		printf("  %-24s %s\n", left, o->doc);
	}
}

static void print_help(const struct command *cmd)
{
	size_t n = __stop_ks_commands - __start_ks_commands;
	const struct command **sorted;

	if (!strcmp(cmd->name, DEFAULT_COMMAND)) {
		sorted = xcalloc(n, sizeof(*sorted));
		memcpy(sorted, __start_ks_commands, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_name);
		puts("Usage: kvmscope [OPTION...] [COMMAND] [OPTION...] [INTERVAL [COUNT]]\n"
		     "Where the time of this host's virtual machines goes. Without a command: one\n"
		     "screen on every VM, for 5 seconds.\n\nCommands:");
		for (size_t i = 0; i < n; i++)
			if (strcmp(sorted[i]->name, DEFAULT_COMMAND))
				printf("  %-10s %s\n", sorted[i]->name, sorted[i]->summary);
		free(sorted);
	} else {
		printf("Usage: kvmscope %s [OPTION...]%s\n%s\n", cmd->name,
		       cmd->run ? "" : " [INTERVAL [COUNT]]", cmd->summary);
		if (cmd->options) {
			puts("\nOptions of this command:");
			print_options(cmd->options);
		}
	}
	puts("\nOptions:");
	print_options(common_options);
	if (!cmd->run)
		puts("\nINTERVAL is in seconds (0.5 is fine). Without COUNT reports go on until "
		     "Ctrl-C;\n"
		     "without INTERVAL there is one, at the end.");
	if (cmd->examples)
		printf("\nExamples:\n%s", cmd->examples);
	puts("\nExit status: 0 ok, 1 failure, 2 usage, 3 privilege missing, 4 kernel or feature\n"
	     "missing, 5 no VM matches, 6 with --strict, when data was lost. See kvmscope(8).");
}

/* A number of seconds above 0, as ns; 0 if it is none. */
static uint64_t seconds(const char *arg)
{
	char *end;
	double v = strtod(arg, &end);

	return end == arg || *end || !(v >= 0.001 && v <= 1e6) ? 0 : (uint64_t)(v * 1e9);
}

static unsigned long number(const char *arg, unsigned long max)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(arg, &end, 10);
	return errno || end == arg || *end || *arg == '-' || v > max ? 0 : v;
}

static void want(struct parsed *p, const char *pattern)
{
	struct common *c = &p->common;

	c->patterns = xreallocarray(c->patterns, c->n_patterns + 1, sizeof(*c->patterns));
	c->patterns[c->n_patterns++] = pattern;
}

static __attribute__((noreturn, format(printf, 2, 3))) void usage_error(const struct parsed *p,
									const char *fmt, ...)
{
	va_list ap;
	char text[256];
	bool named;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	named = strcmp(p->command->name, DEFAULT_COMMAND) != 0;
	complain("%s; see kvmscope%s%s --help", text, named ? " " : "",
		 named ? p->command->name : "");
	exit(STATUS_USAGE);
}

static void positional(struct parsed *p, const char *arg)
{
	if (p->command->run)
		usage_error(p, "'%.64s' is one argument too many: there is no interval here", arg);
	switch (p->positional++) {
	case 0:
		p->common.interval_ns = seconds(arg);
		if (!p->common.interval_ns)
			usage_error(p, "'%.64s' is neither a command nor an interval in seconds",
				    arg);
		break;
	case 1:
		p->common.count = number(arg, 1000000000);
		if (!p->common.count)
			usage_error(p, "'%.64s' is not a count of reports", arg);
		break;
	default:
		usage_error(p, "'%.64s' is one argument too many", arg);
	}
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct parsed *p = state->input;
	struct common *c = &p->common;

	switch (key) {
	case ARGP_KEY_INIT:
		if (p->command->opts_size && state->child_inputs)
			state->child_inputs[0] = p->opts;
		return 0;
	case 'n':
		want(p, arg);
		break;
	case 'p':
		if (!number(arg, 1 << 22))
			usage_error(p, "'%.64s' is not a pid", arg);
		c->pids = xreallocarray(c->pids, c->n_pids + 1, sizeof(*c->pids));
		c->pids[c->n_pids++] = (pid_t)number(arg, 1 << 22);
		break;
	case 'H':
		c->sink.histograms = true;
		break;
	case 'j':
		c->json = true;
		break;
	case 'T':
		c->sink.timestamps = true;
		break;
	case 'o':
		c->output = arg;
		break;
	case 'q':
		c->sink.quiet = true;
		break;
	case 'v':
		c->verbose++;
		c->sink.all = true;
		break;
	case OPT_COLOR:
		if (strcmp(arg, "auto") && strcmp(arg, "always") && strcmp(arg, "never"))
			usage_error(p, "--color takes auto, always or never, not '%.64s'", arg);
		p->color = arg;
		break;
	case OPT_STRICT:
		c->strict = true;
		break;
	case OPT_MAX_VCPUS:
		c->max_vcpus = number(arg, SESSION_VCPUS_MAX);
		if (!c->max_vcpus)
			usage_error(p, "--max-vcpus takes 1 to %d, not '%.64s'", SESSION_VCPUS_MAX,
				    arg);
		break;
	case OPT_MAX_SUBJECTS:
		c->max_subjects = number(arg, KS_SUBJECTS_MAX);
		if (!c->max_subjects)
			usage_error(p, "--max-subjects takes 1 to %d, not '%.64s'", KS_SUBJECTS_MAX,
				    arg);
		break;
	case OPT_ROOTS:
		c->roots.proc = xasprintf("%s/proc", arg);
		c->roots.sys = xasprintf("%s/sys", arg);
		c->roots.run = xasprintf("%s/run", arg);
		break;
	case 'V':
		printf("kvmscope %s, libbpf %s\n", KVMSCOPE_VERSION, libbpf_version_string());
		exit(output__printed());
	case '?':
		print_help(p->command);
		exit(output__printed());
	case ARGP_KEY_ARG:
		positional(p, arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/*
 * Takes the command's name out of argv: the first word that is no option, nor an option's
 * argument. Leaves the default where there is none.
 */
static int take_command(struct parsed *p, int argc, char **argv)
{
	p->command = find_command(DEFAULT_COMMAND);
	for (int i = 1; i < argc; i++) {
		const struct argp_option *o = common_options;
		const struct command *cmd;

		if (!strcmp(argv[i], "--"))
			break;
		if (argv[i][0] == '-') {
			for (; o->name; o++) {
				bool longer =
					!strncmp(argv[i], "--", 2) && !strcmp(argv[i] + 2, o->name);
				bool shorter = argv[i][1] == o->key && !argv[i][2];

				if (o->arg && (longer || shorter)) {
					i++;
					break;
				}
			}
			continue;
		}
		cmd = find_command(argv[i]);
		if (!cmd)
			break; /* an interval, or a mistake that positional() will tell */
		p->command = cmd;
		memmove(&argv[i], &argv[i + 1], (argc - i) * sizeof(*argv));
		return argc - 1;
	}
	return argc;
}

static void look_at_terminal(struct parsed *p)
{
	struct sink_opts *sink = &p->common.sink;
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool tty = !p->common.output && isatty(STDOUT_FILENO);
	struct winsize size;

	sink->width = 80;
	if (tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 40 &&
	    size.ws_col < 80)
		sink->width = size.ws_col;
	sink->unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (p->color && strcmp(p->color, "auto"))
		sink->color = !strcmp(p->color, "always");
	else
		sink->color = tty && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

static void parse(struct parsed *p, int argc, char **argv)
{
	struct argp own = {.options = p->command->options, .parser = p->command->parse};
	struct argp_child children[] = {{.argp = &own}, {}};
	struct argp argp = {.options = common_options,
			    .parser = parse_common,
			    .children = p->command->parse ? children : NULL};

	const struct argp_option *const tables[] = {common_options, p->command->options};
	int err = argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS, NULL, p);

	if (err == EINVAL)
		usage_error(p, "%s",
			    options__mistake(argv, tables, ARRAY_SIZE(tables), !p->command->run));
	if (err)
		usage_error(p, "the options can't be read: %s", strerror(err));
}

int main(int argc, char **argv)
{
	struct parsed p = {};
	int status, err = descriptors__fill();

	if (err) {
		complain("/dev/null, in place of what is closed of standard input, output and "
			 "error: %s",
			 strerror(-err));
		return STATUS_FAILURE;
	}
	descriptors__raise();
	setlocale(LC_CTYPE, "");
	/* a closed pipe and a limit on files' size are told by write() */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	argc = take_command(&p, argc, argv);
	p.opts = p.command->opts_size ? xcalloc(1, p.command->opts_size) : NULL;
	p.common.interval_ns = 0;
	parse(&p, argc, argv);
	if (!p.positional) {
		p.common.interval_ns = p.command->default_interval_ns;
		p.common.count = p.command->default_count;
	}
	p.common.sink.some = p.common.n_patterns || p.common.n_pids;
	look_at_terminal(&p);
	status = p.command->run ? p.command->run(&p.common, p.opts)
				: trace__run(&p.common, p.command, p.opts);
	free(p.opts);
	free(p.common.patterns);
	free(p.common.pids);
	return status;
}
