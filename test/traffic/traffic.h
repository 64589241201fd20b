/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the parts of the traffic program share: addresses, whole reads and writes, one line of JSON. Knows nothing of counting. */
#ifndef ORB8_TRAFFIC_H
#define ORB8_TRAFFIC_H

#define _GNU_SOURCE

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define MAX_PORTS 64
#define CHUNK 65536

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t length;
};

/* Of the commands that make much traffic at once; an agent has its own words. */
struct options {
	const char *address;
	uint32_t addresses; /* this many consecutive ones, from `address` on */
	uint16_t ports[MAX_PORTS];
	uint32_t port_count;
	uint32_t connections;
	uint32_t threads;
	uint32_t up;
	uint32_t down;
	uint32_t size;
	uint32_t seconds;
	uint32_t end; /* enum end */
	bool spread;  /* sizes vary from connection to connection */
	bool hold;
	const char *cgroup; /* that the program runs in */
	uint32_t workloads; /* of `workloads`: how many, one after the other */
	uint32_t at_once;   /* of them */
	uint32_t life;	    /* of each, ms, where the machine keeps up */
};

/* What the connections of a process moved. */
struct figures {
	uint64_t connections;
	uint64_t read;
	uint64_t written;
	uint64_t failures;
};

/* Who ends a connection of `connect`, and how. */
enum end {
	END_CLIENT = 0, /* the client's FIN comes first */
	END_SERVER = 1,
	END_RESET = 2, /* the client resets once it has the whole answer */
	END_ABORT = 3, /* the client closes while it connects: a failure */
};

extern unsigned char payload[CHUNK];

/* Every failure that the program cannot report as a result: says it on stderr and ends with 1. */
_Noreturn void die(const char *deed);

void join_cgroup(const char *directory);
bool parse_address(const char *text, uint16_t port, struct address *into);
/* The nth address after this one; counts over the last 32 bits. */
void advance_address(struct address *address, uint32_t by);
uint16_t port_of(int fd);

/* Both return what was moved; less than asked only at the end of the stream or with errno set. */
uint64_t write_all(int fd, uint64_t bytes);
uint64_t read_up_to(int fd, uint64_t bytes, bool *ended);

uint64_t now_ns(void);
uint64_t cpu_ns(void);
/* Of the clock of now_ns; returns at once where that has passed. */
void sleep_until(uint64_t ns);
/* Blocks until standard input ends: the harness's way to say stop. */
void wait_for_stdin(void);
void set_timeouts(int fd, int seconds);

/* As many connections as `options` says, one after the other over `options->life`; the first is the `index`th of all. */
struct figures connect_in_turn(const struct options *options, uint32_t index);

int run_agent(void);
int run_serve(const struct options *options);
int run_connect(const struct options *options);
int run_hold(const struct options *options);
int run_workloads(const struct options *options);
int run_echo(const struct options *options);
int run_request_response(const struct options *options);
int run_sink(const struct options *options);
int run_stream(const struct options *options);
int run_udp_echo(const struct options *options);
int run_udp_request_response(const struct options *options);
int run_udp_sink(const struct options *options);
int run_udp_flood(const struct options *options);
int run_udp_share(const struct options *options);

#endif
