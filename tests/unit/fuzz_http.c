/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arbitrary bytes from a client of the server: as they are, or as the path and the Accept headers
 * of a request of good form. Whatever came, each reply is HTTP, what was negotiated is what is
 * served, and the next scraper gets its metrics.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "exposition.h"
#include "http.h"
#include "ledger_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROUNDS 64 /* of the server, for one request */

static struct http *server;
static struct http_body *body[EXPOSITIONS][2], *not_found;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char reply[1 << 20];

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* As kvmscoped's: tools/kvmscoped_serve.c. */
static void get(void *arg, const struct http_request *q, struct http_reply *r)
{
	bool found = !strcmp(q->path, "/metrics");

	r->status = found ? 200 : 404;
	r->body = found ? body[exposition__negotiate(q->accept)]
			      [exposition__gzip_ok(q->accept_encoding)]
			: not_found;
}

static void stop(void)
{
	unlink(address.sun_path);
}

static void start(void)
{
	const struct http_opts opts = {.max_connections = 8, .get = get};
	struct ledger *l = sample_ledger(4, 400, 3);
	int fd;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/kvmscope-fuzz.%d", getpid());
	fd = http__listen_unix(address.sun_path);
	require(fd >= 0);
	atexit(stop);
	server = http__new(&opts, &fd, 1);
	require(server);
	for (int i = 0; i < EXPOSITIONS; i++) {
		for (int gzip = 0; gzip < 2; gzip++) {
			struct buffer plain = {}, packed = {};

			exposition__write(&plain, l, i);
			require(!exposition__gzip(&plain, &packed));
			body[i][gzip] = gzip ? http_body__new(packed.data, packed.n,
							      exposition__type(i), "gzip")
					     : http_body__new(plain.data ?: xcalloc(1, 1), plain.n,
							      exposition__type(i), NULL);
			buffer__free(gzip ? &plain : &packed);
		}
	}
	not_found = http_body__new(xstrdup("no"), 2, "text/plain", NULL);
	ledger__free(l);
}

/* Sends it, and takes what comes back, up to the end of the connection or of patience. */
static size_t converse(const char *data, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t sent = 0, n = 0;
	ssize_t got = 1;

	require(fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)));
	for (int i = 0; i < ROUNDS && got; i++) {
		ssize_t done = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;

		if (done > 0)
			sent += (size_t)done;
		if (sent == size || (done < 0 && errno == EPIPE)) {
			sent = size;
			shutdown(fd, SHUT_WR);
		}
		http__run(server);
		got = recv(fd, reply + n, sizeof(reply) - 1 - n, 0);
		if (got > 0)
			n += (size_t)got;
		else if (got < 0 && errno != EAGAIN)
			break;
	}
	close(fd);
	http__run(server);
	reply[n] = '\0';
	require(!n || !strncmp(reply, "HTTP/1.", 7));
	return n;
}

/* A header's value has no line ends: then it would be another header, or another request. */
static void put(char *out, const char *s)
{
	for (; *s; s++)
		*out++ = *s == '\r' || *s == '\n' || *s == ' ' ? '_' : *s;
	*out = '\0';
}

static void scrape(const char *accept, const char *encoding)
{
	char *request = xasprintf("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
				  "Accept: %s\r\nAccept-Encoding: %s\r\n\r\n",
				  accept, encoding);
	size_t n = converse(request, strlen(request));
	char *type;

	if (strlen(request) < 2000) { /* longer ones may be refused */
		require(n > 12 && !strncmp(reply + 8, " 200", 4));
		type = xasprintf("Content-Type: %s\r\n",
				 exposition__type(exposition__negotiate(accept)));
		require(strcasestr(reply, type));
		free(type);
		require(!!strcasestr(reply, "Content-Encoding: gzip\r\n") ==
			exposition__gzip_ok(encoding));
	}
	free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xcalloc(size + 1, 1), *accept = xcalloc(size + 1, 1),
	     *encoding = xcalloc(size + 1, 1);

	if (!server)
		start();
	if (size > 0 && data[0] & 1) {
		converse((const char *)data + 1, size - 1);
		scrape("text/plain", "identity");
	} else if (size > 0) {
		memcpy(text, data + 1, size - 1);
		put(accept, text);
		if (strlen(text) < size - 1)
			put(encoding, text + strlen(text) + 1);
		scrape(accept, encoding);
	}
	free(text);
	free(accept);
	free(encoding);
	return 0;
}
