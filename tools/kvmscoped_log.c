/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's messages. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include "kvmscoped.h"

static bool to_journal;

/* Is stderr the stream that systemd says leads to the journal (systemd.exec(5), JOURNAL_STREAM)? */
void log__open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	to_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		     !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

void log__say(int priority, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?'; /* a message is one line, whatever is in a name */
	if (to_journal && sd_journal_send("PRIORITY=%d", priority, "MESSAGE=%s", text,
					  "SYSLOG_IDENTIFIER=kvmscoped", NULL) >= 0)
		return;
	fprintf(stderr, "kvmscoped: %s\n", text);
}
