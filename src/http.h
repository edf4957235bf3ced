/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small HTTP server for scrapers, by libmicrohttpd, in the caller's loop: no thread, nothing
 * blocks. Only GET and HEAD. Bounded in connections, in the size of requests and in time; when
 * there are many connections, those that ask for nothing go first, so that a scrape always gets
 * through.
 */
#ifndef KVMSCOPE_HTTP_H
#define KVMSCOPE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LISTEN_MAX 8

struct http;
struct http_body;

struct http_request {
	const char *path;
	const char *accept;	     /* NULL: no such header */
	const char *accept_encoding; /* the same */
};

struct http_reply {
	unsigned int status;
	struct http_body *body; /* the handler's: it may change it after the call */
};

struct http_opts {
	unsigned int max_connections;
	void (*get)(void *arg, const struct http_request *request, struct http_reply *reply);
	void *arg;
};

/* A body and what it is; takes data over. encoding NULL: as it is. Constants, both. */
struct http_body *http_body__new(char *data, size_t n, const char *type, const char *encoding);
void http_body__free(struct http_body *body); /* NULL is fine; replies under way keep it */

/* Serves on sockets that listen, n of them. NULL: it can't be started. */
struct http *http__new(const struct http_opts *opts, const int *listen_fd, size_t n);
void http__free(struct http *h); /* NULL is fine; ends all connections */

/* Descriptors to poll for input. Returns how many. */
size_t http__fds(const struct http *h, int fd[HTTP_LISTEN_MAX]);
/* When it wants to be run though no descriptor is ready: ms, -1: never. */
int http__timeout(const struct http *h);
/* Does what there is to do. */
void http__run(struct http *h);
/* Takes no more connections; true once the last one has ended. */
bool http__drain(struct http *h);
/* Connections that were ended because there were too many, or they took too long. */
uint64_t http__evicted(const struct http *h);

/*
 * Sockets that listen. tcp: "127.0.0.1:9736", "[::1]:9736"; else a path, for a unix socket that its
 * group may use. 0 or more: the descriptor; -EINVAL: that is no address; or another -errno.
 */
int http__listen_tcp(const char *address);
int http__listen_unix(const char *path);

#endif
