/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the agent's words share: named sockets, arguments, one line of JSON for an answer. */
#ifndef ORB8_AGENT_H
#define ORB8_AGENT_H

#include "traffic.h"

#define MAX_WORDS 16

struct call {
	int count;
	char *words[MAX_WORDS]; /* words[0] is the verb */
	int fd;			/* of the socket named by words[1], where the verb takes one */
};

struct verb {
	const char *name;
	int least;	   /* words after the verb */
	bool names_socket; /* words[1] is a socket that exists */
	void (*run)(struct call *call);
};

extern const struct verb stream_verbs[], datagram_verbs[], process_verbs[];

/* Exactly one of these ends each verb. */
void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));
void answer_errno(void);
void answer_done(void);

uint64_t number(const struct call *call, int word, uint64_t otherwise);
/* From words[at] and words[at + 1]. */
bool address_at(const struct call *call, int at, struct address *address);
void keep_socket(const char *name, int fd);

#endif
