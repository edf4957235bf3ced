/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A small HTTP server: see http.h. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http.h"
#include "util.h"

#define REQUEST_BYTES  8192 /* of memory for a connection: its request's head must fit */
#define REQUEST_NS     (5 * NSEC_PER_SEC) /* for a request to be there */
#define IDLE_NS	       (90 * NSEC_PER_SEC) /* from one request to the next, for scrapers keep alive */
#define REPLY_NS       (30 * NSEC_PER_SEC) /* for a reply to be taken */
#define REPLY_LEAST_NS (2 * NSEC_PER_SEC)  /* before it must make room for others */

struct http_body {
	struct MHD_Response *response;
};

enum phase { WAITS, REPLIES, KEPT }; /* for its first request; for us; for one more request */

struct connection {
	struct connection *next, **at;
	int fd;
	enum phase phase;
	uint64_t since;
	bool ended; /* by us */
};

struct http {
	struct http_opts opts;
	struct MHD_Daemon *daemon[HTTP_LISTEN_MAX];
	int listen_fd[HTTP_LISTEN_MAX];
	size_t n;
	struct connection *connections; /* the youngest first */
	unsigned int n_connections;
	uint64_t evicted;
	bool draining;
};

/* --- bodies */

struct http_body *http_body__new(char *data, size_t n, const char *type, const char *encoding)
{
	struct http_body *b = xcalloc(1, sizeof(*b));

	b->response = MHD_create_response_from_buffer(n, data, MHD_RESPMEM_MUST_FREE);
	if (!b->response)
		abort();
	MHD_add_response_header(b->response, "Content-Type", type);
	if (encoding)
		MHD_add_response_header(b->response, "Content-Encoding", encoding);
	MHD_add_response_header(b->response, "Vary", "Accept, Accept-Encoding");
	MHD_add_response_header(b->response, "Cache-Control", "no-store");
	MHD_add_response_header(b->response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(b->response, "Content-Security-Policy",
				"default-src 'none'; style-src 'unsafe-inline'");
	return b;
}

void http_body__free(struct http_body *b)
{
	if (!b)
		return;
	MHD_destroy_response(b->response); /* counted: replies under way have it */
	free(b);
}

/* --- connections */

static void end(struct connection *c)
{
	c->ended = true;
	shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd finds it closed, and tells on_connection() */
}

static void evict(struct http *h, struct connection *c)
{
	h->evicted++;
	end(c);
}

/* Room for one more: of those that ask for nothing the one that has done so for longest. */
static void make_room(struct http *h, uint64_t now)
{
	static const enum phase order[] = {WAITS, KEPT, REPLIES};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct connection *oldest = NULL;

		for (struct connection *c = h->connections; c; c = c->next)
			if (!c->ended && c->phase == order[i] &&
			    (order[i] != REPLIES || now - c->since > REPLY_LEAST_NS) &&
			    (!oldest || c->since < oldest->since))
				oldest = c;
		if (oldest) {
			evict(h, oldest);
			return;
		}
	}
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *h = cls;
	struct connection *c = *context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!c)
			return;
		*c->at = c->next;
		if (c->next)
			c->next->at = c->at;
		h->n_connections--;
		free(c);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!info)
		return;
	if (h->n_connections >= h->opts.max_connections * 3 / 4)
		make_room(h, clock_ns(CLOCK_MONOTONIC));
	c = xcalloc(1, sizeof(*c));
	c->fd = info->connect_fd;
	c->since = clock_ns(CLOCK_MONOTONIC);
	c->next = h->connections;
	c->at = &h->connections;
	if (c->next)
		c->next->at = &c->next;
	h->connections = c;
	h->n_connections++;
	*context = c;
}

static struct connection *of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct connection *c = of(connection);

	if (!c)
		return;
	c->phase = KEPT;
	c->since = clock_ns(CLOCK_MONOTONIC);
}

static enum MHD_Result refuse(struct MHD_Connection *connection)
{
	static char text[] = "only GET and HEAD\n";
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Allow", "GET, HEAD");
	MHD_add_response_header(r, "Connection", "close");
	result = MHD_queue_response(connection, MHD_HTTP_METHOD_NOT_ALLOWED, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request)
{
	struct http_request q = {.path = path};
	struct http_reply reply = {.status = 500};
	struct connection *c = of(connection);
	struct http *h = cls;

	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return refuse(connection);
	if (*upload_size)
		return MHD_NO;
	/* a reply at the first call, when there are only the headers, would end the connection */
	if (!*request) {
		*request = h;
		return MHD_YES;
	}
	q.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
	q.accept_encoding =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept-Encoding");
	h->opts.get(h->opts.arg, &q, &reply);
	if (!reply.body)
		return MHD_NO;
	if (c) {
		c->phase = REPLIES;
		c->since = clock_ns(CLOCK_MONOTONIC);
	}
	return MHD_queue_response(connection, reply.status, reply.body->response);
}

/* --- the server */

/* libmicrohttpd tells of clients that went away, which is no news. */
static void on_log(void *cls, const char *fmt, va_list ap)
{
}

struct http *http__new(const struct http_opts *opts, const int *listen_fd, size_t n)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->opts = *opts;
	for (; h->n < n && h->n < HTTP_LISTEN_MAX; h->n++) {
		h->listen_fd[h->n] = listen_fd[h->n];
		h->daemon[h->n] = MHD_start_daemon(
			MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h,
			MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
			listen_fd[h->n], MHD_OPTION_CONNECTION_LIMIT, opts->max_connections,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
			MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED,
			on_completed, h, MHD_OPTION_END);
		if (!h->daemon[h->n]) {
			http__free(h);
			return NULL;
		}
	}
	return h;
}

void http__free(struct http *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		/* the socket is the caller's: another process may go on with it */
		MHD_socket fd = h->draining ? MHD_INVALID_SOCKET : MHD_quiesce_daemon(h->daemon[i]);

		(void)fd;
		MHD_stop_daemon(h->daemon[i]);
	}
	free(h);
}

size_t http__fds(const struct http *h, int fd[HTTP_LISTEN_MAX])
{
	for (size_t i = 0; i < h->n; i++)
		fd[i] = MHD_get_daemon_info(h->daemon[i], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	return h->n;
}

int http__timeout(const struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int least = h->connections ? 1000 : -1; /* their time is watched */

	for (size_t i = 0; i < h->n; i++)
		if (MHD_get_timeout(h->daemon[i], &ms) == MHD_YES && (least < 0 || (int)ms < least))
			least = (int)ms;
	return least;
}

void http__run(struct http *h)
{
	static const uint64_t limit[] = {
		[WAITS] = REQUEST_NS, [REPLIES] = REPLY_NS, [KEPT] = IDLE_NS};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (struct connection *c = h->connections; c; c = c->next)
		if (!c->ended && now - c->since > limit[c->phase])
			evict(h, c);
	for (size_t i = 0; i < h->n; i++)
		MHD_run(h->daemon[i]);
}

bool http__drain(struct http *h)
{
	for (size_t i = 0; i < h->n && !h->draining; i++)
		MHD_quiesce_daemon(h->daemon[i]);
	h->draining = true;
	for (struct connection *c = h->connections; c; c = c->next)
		if (!c->ended && c->phase != REPLIES)
			end(c);
	return !h->connections;
}

uint64_t http__evicted(const struct http *h)
{
	return h->evicted;
}
