/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What kvmscoped serves: pages, expositions that are made once for all scrapers, the text file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "exposition.h"
#include "kvmscoped.h"
#include "util.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

static const char page[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>kvmscoped</title>\n"
	"<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:2em auto;padding:0 "
	"1em}</style>\n"
	"<h1>kvmscoped " KVMSCOPE_VERSION "</h1>\n"
	"<p>Traces this host's virtual machines by eBPF: why they leave guest mode, where their\n"
	"time goes, what their disks and packets wait for. For Prometheus:</p>\n"
	"<ul><li><a href=\"/metrics\">/metrics</a>\n"
	"<li><a href=\"/healthz\">/healthz</a>: the daemon is alive\n"
	"<li><a href=\"/readyz\">/readyz</a>: its programs are attached, its numbers fresh</ul>\n"
	"<p>See kvmscoped(8). On the host, <code>kvmscope</code> shows one screen on all VMs.</p>\n"
	"</html>\n";

struct server {
	struct server_opts opts;
	struct http *http;
	struct http_body *page, *ok, *not_ready, *not_found;
	struct http_body *cache[EXPOSITIONS][2]; /* as it is; gzip */
};

static struct http_body *constant(const char *text, const char *type)
{
	return http_body__new(xstrdup(text), strlen(text), type, NULL);
}

static struct http_body *exposition(struct server *s, enum exposition which, bool gzip)
{
	struct http_body **body = &s->cache[which][gzip];
	struct buffer plain = {}, packed = {};

	if (*body)
		return *body;
	exposition__write(&plain, s->opts.ledger, which);
	if (gzip && !exposition__gzip(&plain, &packed)) {
		buffer__free(&plain);
		plain = packed;
	} else {
		gzip = false;
	}
	*body = http_body__new(plain.data ?: xcalloc(1, 1), plain.n, exposition__type(which),
			       gzip ? "gzip" : NULL);
	return *body;
}

static void get(void *arg, const struct http_request *q, struct http_reply *reply)
{
	struct server *s = arg;

	reply->status = 200;
	if (!strcmp(q->path, "/metrics")) {
		s->opts.refresh(s->opts.arg);
		reply->body = exposition(s, exposition__negotiate(q->accept),
					 exposition__gzip_ok(q->accept_encoding));
	} else if (!strcmp(q->path, "/healthz")) {
		reply->body = s->ok;
	} else if (!strcmp(q->path, "/readyz")) {
		bool ready = s->opts.ready(s->opts.arg);

		reply->body = ready ? s->ok : s->not_ready;
		reply->status = ready ? 200 : 503;
	} else if (!strcmp(q->path, "/")) {
		reply->body = s->page;
	} else {
		reply->body = s->not_found;
		reply->status = 404;
	}
}

struct server *server__new(const struct server_opts *opts, const int *listen_fd, size_t n)
{
	struct server *s = xcalloc(1, sizeof(*s));
	const struct http_opts how = {
		.max_connections = opts->config->max_connections, .get = get, .arg = s};

	s->opts = *opts;
	s->page = constant(page, "text/html; charset=utf-8");
	s->ok = constant("ok\n", TEXT_PLAIN);
	s->not_ready = constant("not ready\n", TEXT_PLAIN);
	s->not_found = constant("there is /metrics, /healthz, /readyz and /\n", TEXT_PLAIN);
	s->http = http__new(&how, listen_fd, n);
	if (s->http)
		return s;
	server__free(s);
	return NULL;
}

void server__forget(struct server *s)
{
	for (int i = 0; i < EXPOSITIONS; i++) {
		for (int gzip = 0; gzip < 2; gzip++) {
			http_body__free(s->cache[i][gzip]);
			s->cache[i][gzip] = NULL;
		}
	}
}

void server__free(struct server *s)
{
	if (!s)
		return;
	http__free(s->http);
	server__forget(s);
	http_body__free(s->page);
	http_body__free(s->ok);
	http_body__free(s->not_ready);
	http_body__free(s->not_found);
	free(s);
}

struct http *server__http(struct server *s)
{
	return s->http;
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

/* node_exporter reads what ends in .prom: the file under another name, then the name. */
int server__write_textfile(const struct server *s)
{
	const char *path = s->opts.config->textfile;
	char *temporary = xasprintf("%s.%d.tmp", path, (int)getpid());
	struct buffer text = {};
	int fd, err;

	exposition__write(&text, s->opts.ledger, EXPOSITION_TEXT);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	/* for node_exporter, whatever our umask is */
	err = fd < 0 || fchmod(fd, 0644) ? -errno : write_all(fd, text.data, text.n);
	if (fd >= 0 && close(fd))
		err = err ?: -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err && fd >= 0)
		unlink(temporary);
	buffer__free(&text);
	free(temporary);
	return err;
}
