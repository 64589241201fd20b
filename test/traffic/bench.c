/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Traffic whose speed is asked: requests and answers, bulk, datagrams. Prints what it did and what it took. */
#include "traffic.h"
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 64
#define LATENCY_BUCKETS 4096 /* 250 ns each: up to 1 ms, the last one takes the rest */
#define LATENCY_STEP 250

static const struct options *settings;
static atomic_uint_fast64_t transactions, moved, failed;
static atomic_uint_fast32_t latencies[LATENCY_BUCKETS];
static uint64_t started, started_cpu;

static int open_socket(int type, bool server, struct address *address)
{
	int fd, one = 1;

	if (!parse_address(settings->address, settings->ports[0], address))
		die(settings->address);
	fd = socket(address->any.sa_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	set_timeouts(fd, 20);
	if (server)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (server ? bind(fd, &address->any, address->length) : connect(fd, &address->any, address->length))
		die(server ? "bind" : "connect");
	return fd;
}

static void tell_ready(int fd)
{
	printf("{\"ready\":true,\"ports\":[%u]}\n", port_of(fd));
	fflush(stdout);
}

static uint64_t percentile(double share)
{
	uint64_t all = 0, below = 0;

	for (int i = 0; i < LATENCY_BUCKETS; i++)
		all += latencies[i];
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		below += latencies[i];
		if ((double)below >= share * (double)all)
			return (uint64_t)(i + 1) * LATENCY_STEP;
	}
	return 0;
}

static void print_figures(void)
{
	double took = (double)(now_ns() - started) / 1e9;

	printf("{\"transactions\":%lu,\"bytes\":%lu,\"failures\":%lu,\"seconds\":%.6f,\"perSecond\":%.1f,\"bitsPerSecond\":%.0f,"
	       "\"cpuSeconds\":%.6f,\"p50Ns\":%lu,\"p99Ns\":%lu}\n",
	       transactions, moved, failed, took, (double)transactions / took, (double)moved * 8 / took,
	       (double)(cpu_ns() - started_cpu) / 1e9, percentile(0.5), percentile(0.99));
}

static void start_clock(const struct options *options)
{
	settings = options;
	started = now_ns();
	started_cpu = cpu_ns();
}

static void run_threads(void *(*body)(void *))
{
	pthread_t threads[MAX_THREADS];
	uint32_t count = settings->threads < MAX_THREADS ? settings->threads : MAX_THREADS;

	for (uint32_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, NULL))
			die("pthread_create");
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void count_latency(uint64_t ns)
{
	uint64_t bucket = ns / LATENCY_STEP;

	latencies[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
}

static bool time_is_up(void)
{
	return now_ns() - started >= (uint64_t)settings->seconds * 1000000000u;
}

static void *answer_all(void *argument)
{
	int fd = (int)(intptr_t)argument;
	uint64_t count = 0;
	bool ended;

	while (read_up_to(fd, settings->size, &ended) == settings->size && write_all(fd, settings->size) == settings->size)
		count++;
	transactions += count;
	moved += count * settings->size * 2;
	close(fd);
	return NULL;
}

static void *swallow(void *argument)
{
	int fd = (int)(intptr_t)argument;
	bool ended = false;

	do
		moved += read_up_to(fd, 1 << 20, &ended);
	while (!ended && errno == 0);
	close(fd);
	return NULL;
}

/* One thread a connection, until standard input ends. */
static int serve_connections(const struct options *options, void *(*body)(void *))
{
	struct pollfd polls[2];
	pthread_t threads[MAX_THREADS];
	struct address address;
	uint32_t count = 0;
	int listener;

	start_clock(options);
	listener = open_socket(SOCK_STREAM, true, &address);
	if (listen(listener, 4096))
		die("listen");
	tell_ready(listener);
	polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	while (poll(polls, 2, -1) > 0 && !polls[1].revents) {
		int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 || count == MAX_THREADS)
			die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&threads[count++], NULL, body, (void *)(intptr_t)fd))
			die("pthread_create");
	}
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	print_figures();
	return 0;
}

int run_echo(const struct options *options)
{
	return serve_connections(options, answer_all);
}

int run_sink(const struct options *options)
{
	return serve_connections(options, swallow);
}

static void *ask_again_and_again(void *unused)
{
	struct address address;
	int fd = open_socket(SOCK_STREAM, false, &address);
	uint64_t count = 0, before = now_ns();
	bool ended;

	(void)unused;
	while (before - started < (uint64_t)settings->seconds * 1000000000u) {
		uint64_t after;

		if (write_all(fd, settings->size) != settings->size || read_up_to(fd, settings->size, &ended) != settings->size) {
			failed++;
			break;
		}
		after = now_ns();
		count_latency(after - before);
		before = after;
		count++;
	}
	transactions += count;
	moved += count * settings->size * 2;
	close(fd);
	return NULL;
}

int run_request_response(const struct options *options)
{
	start_clock(options);
	run_threads(ask_again_and_again);
	print_figures();
	return 0;
}

static void *pour(void *unused)
{
	struct address address;
	int fd = open_socket(SOCK_STREAM, false, &address);

	(void)unused;
	while (!time_is_up()) {
		uint64_t n = write_all(fd, settings->size);

		moved += n;
		transactions++;
		if (n != settings->size) {
			failed++;
			break;
		}
	}
	close(fd);
	return NULL;
}

int run_stream(const struct options *options)
{
	start_clock(options);
	run_threads(pour);
	print_figures();
	return 0;
}

/* Until standard input ends. */
static int serve_datagrams(const struct options *options, bool answer)
{
	unsigned char buffer[CHUNK];
	struct address address, peer;
	struct pollfd polls[2];
	int fd;

	start_clock(options);
	fd = open_socket(SOCK_DGRAM, true, &address);
	tell_ready(fd);
	polls[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	while (poll(polls, 2, -1) > 0 && (polls[0].revents || !polls[1].revents)) {
		ssize_t n;

		peer.length = sizeof(peer.v6);
		while ((n = recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT, &peer.any, &peer.length)) >= 0) {
			transactions++;
			moved += (uint64_t)n;
			if (answer && sendto(fd, buffer, (size_t)n, 0, &peer.any, peer.length) != n)
				failed++;
		}
	}
	print_figures();
	return 0;
}

int run_udp_echo(const struct options *options)
{
	return serve_datagrams(options, true);
}

int run_udp_sink(const struct options *options)
{
	return serve_datagrams(options, false);
}

static void *ask_by_datagram(void *unused)
{
	unsigned char buffer[CHUNK];
	struct address address;
	int fd = open_socket(SOCK_DGRAM, false, &address);

	(void)unused;
	set_timeouts(fd, 1);
	while (!time_is_up()) {
		uint64_t before = now_ns();

		if (send(fd, payload, settings->size, 0) < 0 || recv(fd, buffer, sizeof(buffer), 0) < 0) {
			failed++;
			continue;
		}
		count_latency(now_ns() - before);
		transactions++;
		moved += settings->size * 2;
	}
	close(fd);
	return NULL;
}

int run_udp_request_response(const struct options *options)
{
	start_clock(options);
	run_threads(ask_by_datagram);
	print_figures();
	return 0;
}

static void *flood(void *unused)
{
	struct address address;
	int fd = open_socket(SOCK_DGRAM, false, &address);

	(void)unused;
	for (uint32_t i = 0; i < settings->connections; i++) {
		if (send(fd, payload, settings->size, 0) < 0) {
			failed++;
			continue;
		}
		transactions++;
		moved += settings->size;
	}
	close(fd);
	return NULL;
}

/* --connections datagrams a thread, as fast as they go. */
int run_udp_flood(const struct options *options)
{
	start_clock(options);
	run_threads(flood);
	print_figures();
	return 0;
}

static int shared;
static atomic_uint_fast32_t sharers;

static void *share(void *unused)
{
	struct address address;

	(void)unused;
	if (!parse_address(settings->address, settings->ports[0], &address))
		die(settings->address);
	advance_address(&address, sharers++);
	for (uint32_t i = 0; i < settings->connections; i++) {
		if (sendto(shared, payload, settings->size, 0, &address.any, address.length) < 0) {
			failed++;
			continue;
		}
		transactions++;
		moved += settings->size;
	}
	return NULL;
}

/* All threads by one unconnected socket, each --connections datagrams to an address of its own: consecutive ones. */
int run_udp_share(const struct options *options)
{
	struct address address;

	if (!parse_address(options->address, options->ports[0], &address))
		die(options->address);
	shared = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (shared < 0)
		die("socket");
	start_clock(options);
	run_threads(share);
	print_figures();
	close(shared);
	return 0;
}
