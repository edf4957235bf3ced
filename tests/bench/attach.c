/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attach OBJECT GROUP: attaches the programs whose names begin with GROUP__, says "attached" on
 * stderr, and stays until SIGINT or SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>

static bool in_group(const struct bpf_program *prog, const char *group)
{
	const char *name = bpf_program__name(prog);
	size_t n = strlen(group);

	return !strncmp(name, group, n) && !strncmp(name + n, "__", 2);
}

int main(int argc, char **argv)
{
	struct bpf_program *prog;
	struct bpf_object *obj;
	sigset_t signals;
	int sig, n = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: attach OBJECT GROUP\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	obj = bpf_object__open(argv[1]);
	if (!obj)
		return 1;
	bpf_object__for_each_program (prog, obj)
		bpf_program__set_autoload(prog, in_group(prog, argv[2]));
	if (bpf_object__load(obj))
		return 1;
	bpf_object__for_each_program (prog, obj) {
		if (!bpf_program__autoload(prog))
			continue;
		if (!bpf_program__attach(prog))
			return 1;
		n++;
	}
	if (!n) {
		fprintf(stderr, "attach: no program of group %s\n", argv[2]);
		return 1;
	}
	fprintf(stderr, "attached\n");
	sigwait(&signals, &sig);
	bpf_object__close(obj);
	return 0;
}
