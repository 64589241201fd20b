/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Obeys one line of standard input after the other, each a verb and its words, and answers each with a line of JSON:
 * {"ok":true,...} or {"ok":false,"error":"ECONNREFUSED"}. Ends with its input. So a test plays both ends step by step. */
#include "agent.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SOCKETS 64

static struct {
	char name[32];
	int fd;
} sockets[MAX_SOCKETS];
static int socket_count;

void answer(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("{\"ok\":true");
	if (*format)
		putchar(',');
	vprintf(format, arguments);
	puts("}");
	va_end(arguments);
}

void answer_done(void)
{
	puts("{\"ok\":true}");
}

void answer_errno(void)
{
	const char *name = strerrorname_np(errno);

	printf("{\"ok\":false,\"error\":\"%s\"}\n", name ? name : "unknown");
}

uint64_t number(const struct call *call, int word, uint64_t otherwise)
{
	return word < call->count ? strtoull(call->words[word], NULL, 10) : otherwise;
}

bool address_at(const struct call *call, int at, struct address *address)
{
	if (at + 1 < call->count && parse_address(call->words[at], (uint16_t)number(call, at + 1, 0), address))
		return true;
	errno = EINVAL;
	return false;
}

static int find_socket(const char *name)
{
	for (int i = 0; i < socket_count; i++)
		if (strcmp(sockets[i].name, name) == 0)
			return i;
	return -1;
}

void keep_socket(const char *name, int fd)
{
	int at = find_socket(name);

	if (at < 0) {
		if (socket_count == MAX_SOCKETS || strlen(name) >= sizeof(sockets[0].name))
			die("too many sockets, or too long a name");
		at = socket_count++;
		strcpy(sockets[at].name, name);
	}
	sockets[at].fd = fd;
}

static const struct verb *find_verb(const char *name)
{
	const struct verb *lists[] = {stream_verbs, datagram_verbs, process_verbs};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct verb *v = lists[i]; v->name; v++)
			if (strcmp(v->name, name) == 0)
				return v;
	return NULL;
}

static void obey(char *line)
{
	struct call call = {.fd = -1};
	const struct verb *verb;

	for (char *word = strtok(line, " \n"); word && call.count < MAX_WORDS; word = strtok(NULL, " \n"))
		call.words[call.count++] = word;
	if (call.count == 0)
		return;
	verb = find_verb(call.words[0]);
	errno = EINVAL;
	if (!verb || call.count - 1 < verb->least) {
		answer_errno();
		return;
	}
	if (verb->names_socket) {
		int at = find_socket(call.words[1]);

		if (at < 0) {
			errno = EBADF;
			answer_errno();
			return;
		}
		call.fd = sockets[at].fd;
	}
	verb->run(&call);
}

int run_agent(void)
{
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		obey(line);
		fflush(stdout);
	}
	return 0;
}
