/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's privileges: what the keeper keeps, and what is left of the worker's after loading. */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include "kvmscoped.h"
#include "util.h"

/* To load and attach, and for the keeper's one service: BPF_ENABLE_STATS takes CAP_SYS_ADMIN. */
static const unsigned int to_load[] = {
	CAP_BPF,    CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_SYS_PTRACE,
	CAP_SETUID, CAP_SETGID,	 CAP_SETPCAP,	CAP_KILL,	  CAP_DAC_READ_SEARCH};
/* To look at other users' processes (/proc/PID/fd), and to read libvirt's files. */
static const unsigned int to_name[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

static int reduce(const unsigned int *list, size_t n, bool bounding)
{
	bool has[CAP_LAST_CAP + 1] = {};

	capng_get_caps_process();
	for (size_t i = 0; i < n; i++)
		has[list[i]] = capng_have_capability(CAPNG_PERMITTED, list[i]);
	bounding &= capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		if (has[list[i]])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, list[i]);
	return capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

void privileges__keep(void)
{
	if (reduce(to_load, ARRAY_SIZE(to_load), false))
		log__say(LOG_WARNING, "capabilities can't be reduced to those that loading takes");
}

/* Who to become; NULL: who we are is who we stay. */
static const struct passwd *other_user(const char *user)
{
	const struct passwd *pw;

	if (!user && geteuid())
		return NULL;
	pw = getpwnam(user ?: DEFAULT_USER);
	return pw && pw->pw_uid != geteuid() ? pw : NULL;
}

bool privileges__cannot_become(const char *user)
{
	return geteuid() && other_user(user);
}

bool privileges__stays_root(const char *user)
{
	return !geteuid() && !user && !getpwnam(DEFAULT_USER);
}

/* Another user, with all capabilities as they are for the moment, and that user's groups alone. */
static int become(const char *user)
{
	const struct passwd *pw = other_user(user);

	if (!pw)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) || initgroups(pw->pw_name, pw->pw_gid) ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return -errno;
	return 0;
}

int privileges__drop(const char *user, bool need_bpf)
{
	unsigned int keep[ARRAY_SIZE(to_name) + 2];
	size_t n = ARRAY_SIZE(to_name);
	int err;

	memcpy(keep, to_name, sizeof(to_name));
	if (need_bpf) {
		keep[n++] = CAP_BPF;
		keep[n++] = CAP_PERFMON;
	}
	err = become(user);
	err = err ?: reduce(keep, n, true);
	/* to become another user is to be no longer told of the parent's end */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		err = err ?: -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = err ?: -errno;
	return err;
}

bool privileges__bpf_needed(const char *user, bool (*works)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		/* its end must not run what the parent's end is to run */
		_exit(privileges__drop(user, false) || !works(arg));
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}
