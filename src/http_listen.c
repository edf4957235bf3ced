/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that listen, for http.h. */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "http.h"
#include "util.h"

#define BACKLOG 128

static int listen_on(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (!bind(fd, address, len) && !listen(fd, BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int http__listen_tcp(const char *address)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM},
			*found;
	const char *colon = strrchr(address, ':');
	char host[64], *end;
	size_t n = colon ? (size_t)(colon - address) : 0;
	int fd;

	if (!n || n >= sizeof(host) || !isdigit((unsigned char)colon[1]))
		return -EINVAL;
	/* getaddrinfo() takes the low 16 bits of any number */
	if (strtoul(colon + 1, &end, 10) > 65535 || *end)
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)n, address);
	if (*host == '[') {
		if (host[n - 1] != ']')
			return -EINVAL;
		host[n - 1] = '\0';
		memmove(host, host + 1, n - 1);
	} else if (strchr(host, ':')) {
		return -EINVAL; /* [::1]:9736, so that it is clear which is the port */
	}
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return -EINVAL;
	fd = listen_on(found->ai_family, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

/* Is there a socket at that path at which nobody listens any more? */
static bool is_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd;
	bool stale;

	if (lstat(un->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stale = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) &&
		errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return stale;
}

int http__listen_unix(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd;

	if (*path != '/' || strlen(path) >= sizeof(un.sun_path))
		return -EINVAL;
	strcpy(un.sun_path, path);
	if (is_stale(&un))
		unlink(path);
	mask = umask(0117); /* for its owner and its group */
	fd = listen_on(AF_UNIX, (const struct sockaddr *)&un, sizeof(un));
	umask(mask);
	return fd;
}
