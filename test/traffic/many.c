/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Connections by the ten thousand: each a request and an answer, or held open. Says exactly what both ends read and wrote. */
#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 64
#define MAX_HELD (1 << 18)

/* First bytes of every request; `up` counts them too. */
struct request {
	uint32_t up;
	uint32_t down;
	uint32_t end;
};

static const struct options *settings;
static int listeners[MAX_PORTS];
static atomic_bool stopping;
static atomic_uint_fast64_t connections, failures, bytes_read, bytes_written;
static atomic_uint next_connection;
static int *held;
static uint64_t deadline;

/* Ends the stream in this process's own name. close() alone ends it only where nobody else holds the file: a reader of
 * /proc/PID/fdinfo does for a moment, and it ends in that one's name then, which some kernels hide from programs: see
 * docs/decisions/0002. A reset comes of close() alone. */
static void hang_up(int fd)
{
	if (settings->end == END_CLIENT || settings->end == END_SERVER)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void answer(int fd)
{
	struct request request;
	bool ended;
	uint64_t got;

	set_timeouts(fd, 20);
	for (got = 0; got < sizeof(request);) {
		ssize_t n = recv(fd, (char *)&request + got, sizeof(request) - got, 0);

		if (n <= 0)
			break;
		got += (uint64_t)n;
	}
	if (got == sizeof(request)) {
		got += read_up_to(fd, request.up - sizeof(request), &ended);
		bytes_written += write_all(fd, request.down);
		if (request.end != END_SERVER)
			got += read_up_to(fd, 1, &ended);
	} else {
		failures++;
	}
	bytes_read += got;
	connections++;
}

static void take_connection(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	uint64_t index;

	if (fd < 0)
		return;
	if (!settings->hold) {
		answer(fd);
		hang_up(fd);
		return;
	}
	index = connections++;
	if (index < MAX_HELD)
		held[index] = fd;
	else
		close(fd);
}

static void *serve_thread(void *unused)
{
	struct pollfd polls[MAX_PORTS];

	(void)unused;
	for (uint32_t i = 0; i < settings->port_count; i++)
		polls[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
	while (!stopping) {
		if (poll(polls, settings->port_count, 100) <= 0)
			continue;
		for (uint32_t i = 0; i < settings->port_count; i++)
			if (polls[i].revents & POLLIN)
				take_connection(polls[i].fd);
	}
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct address address;
	int one = 1, fd;

	if (!parse_address(settings->address, port, &address))
		die(settings->address);
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, &address.any, address.length) || listen(fd, 65535))
		die("listen");
	return fd;
}

static void run_threads(void *(*body)(void *), void (*meanwhile)(void))
{
	pthread_t threads[MAX_THREADS];
	uint32_t count = settings->threads < MAX_THREADS ? settings->threads : MAX_THREADS;

	for (uint32_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, NULL))
			die("pthread_create");
	if (meanwhile)
		meanwhile();
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void serve_until_told(void)
{
	wait_for_stdin();
	stopping = true;
}

static void hold_memory(void)
{
	held = calloc(MAX_HELD, sizeof(*held));
	if (!held)
		die("calloc");
}

int run_serve(const struct options *options)
{
	settings = options;
	hold_memory();
	printf("{\"ready\":true,\"ports\":[");
	for (uint32_t i = 0; i < options->port_count; i++) {
		listeners[i] = listen_on(options->ports[i]);
		printf("%s%u", i ? "," : "", port_of(listeners[i]));
	}
	puts("]}");
	fflush(stdout);
	run_threads(serve_thread, serve_until_told);
	printf("{\"connections\":%lu,\"read\":%lu,\"written\":%lu,\"failures\":%lu}\n", connections, bytes_read, bytes_written,
	       failures);
	return 0;
}

/* Over all addresses of a port first, then the next port: as many different ends as asked, so that no run is short of ports. */
static int dial(uint32_t index)
{
	struct address address;
	int fd;

	if (!parse_address(settings->address, settings->ports[index / settings->addresses % settings->port_count], &address))
		die(settings->address);
	advance_address(&address, index % settings->addresses);
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	set_timeouts(fd, 20);
	if (settings->end == END_ABORT)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &address.any, address.length) == 0)
		return fd;
	close(fd);
	return -1;
}

static void ask(int fd, uint32_t index)
{
	uint32_t more = settings->spread ? index % 1009 : 0;
	struct request request = {
		.up = (settings->up > sizeof(request) ? settings->up : (uint32_t)sizeof(request)) + more,
		.down = settings->down + (settings->spread ? index % 769 : 0),
		.end = settings->end,
	};
	bool ended = false;
	uint64_t got;

	if (send(fd, &request, sizeof(request), request.up > sizeof(request) ? MSG_MORE : 0) != (ssize_t)sizeof(request)) {
		failures++;
		return;
	}
	bytes_written += sizeof(request) + write_all(fd, request.up - sizeof(request));
	if (request.end == END_CLIENT)
		shutdown(fd, SHUT_WR);
	/* The reset waits for the whole answer, no more: a byte still under way would be nobody's. */
	got = read_up_to(fd, request.end == END_RESET ? request.down : request.down + 1, &ended);
	bytes_read += got;
	if (got != request.down || (request.end != END_RESET && !ended))
		failures++;
	if (request.end == END_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

static bool next_one(uint32_t *index)
{
	*index = atomic_fetch_add(&next_connection, 1);
	return deadline ? now_ns() < deadline : *index < settings->connections;
}

static void *connect_thread(void *unused)
{
	uint32_t index;

	(void)unused;
	while (next_one(&index)) {
		int fd = dial(index);

		if (fd < 0) {
			failures++;
			continue;
		}
		connections++;
		if (settings->hold) {
			held[index] = fd;
			continue;
		}
		ask(fd, index);
		hang_up(fd);
	}
	return NULL;
}

struct figures connect_in_turn(const struct options *options, uint32_t index)
{
	uint64_t started = now_ns(), pause = options->life * 1000000ull / options->connections;

	settings = options;
	for (uint32_t i = 0; i < options->connections; i++) {
		int fd;

		sleep_until(started + i * pause);
		fd = dial(index + i);
		if (fd < 0) {
			failures++;
			continue;
		}
		connections++;
		ask(fd, index + i);
		hang_up(fd);
	}
	return (struct figures){connections, bytes_read, bytes_written, failures};
}

static void print_connections(uint64_t started, uint64_t cpu)
{
	double took = (double)(now_ns() - started) / 1e9;

	printf("{\"connections\":%lu,\"read\":%lu,\"written\":%lu,\"failures\":%lu,\"seconds\":%.6f,\"perSecond\":%.1f,"
	       "\"cpuSeconds\":%.6f}\n",
	       connections, bytes_read, bytes_written, failures, took, (double)connections / took, (double)(cpu_ns() - cpu) / 1e9);
	fflush(stdout);
}

/* With --seconds as many as there is time for, else --connections. */
int run_connect(const struct options *options)
{
	uint64_t started = now_ns(), cpu = cpu_ns();

	settings = options;
	deadline = options->seconds ? started + options->seconds * 1000000000ull : 0;
	run_threads(connect_thread, NULL);
	print_connections(started, cpu);
	return 0;
}

/* A byte on every connection for every byte of standard input; says so each time. */
static void nudge_until_told(void)
{
	char word;

	while (read(STDIN_FILENO, &word, 1) == 1) {
		uint64_t sent = 0;

		for (uint32_t i = 0; i < settings->connections; i++)
			sent += held[i] > STDIN_FILENO && send(held[i], payload, 1, MSG_NOSIGNAL) == 1;
		printf("{\"sent\":%lu}\n", sent);
		fflush(stdout);
	}
}

int run_hold(const struct options *options)
{
	struct options holding = *options;
	uint64_t started = now_ns(), cpu = cpu_ns();

	holding.hold = true;
	if (holding.connections > MAX_HELD)
		holding.connections = MAX_HELD;
	settings = &holding;
	hold_memory();
	run_threads(connect_thread, NULL);
	print_connections(started, cpu);
	nudge_until_told();
	return 0;
}
