/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Addresses, clocks, and reads and writes that do not stop half way. */
#include "traffic.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

unsigned char payload[CHUNK];

_Noreturn void die(const char *deed)
{
	fprintf(stderr, "traffic: %s: %s\n", deed, strerror(errno));
	exit(1);
}

void join_cgroup(const char *directory)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

bool parse_address(const char *text, uint16_t port, struct address *into)
{
	char host[INET6_ADDRSTRLEN];
	const char *zone = strchr(text, '%');
	size_t length = zone ? (size_t)(zone - text) : strlen(text);

	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = 0;
	memset(into, 0, sizeof(*into));
	if (inet_pton(AF_INET, host, &into->v4.sin_addr) == 1) {
		into->v4.sin_family = AF_INET;
		into->v4.sin_port = htons(port);
		into->length = sizeof(into->v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &into->v6.sin6_addr) != 1)
		return false;
	into->v6.sin6_family = AF_INET6;
	into->v6.sin6_port = htons(port);
	into->v6.sin6_scope_id = zone ? if_nametoindex(zone + 1) : 0;
	into->length = sizeof(into->v6);
	return true;
}

void advance_address(struct address *address, uint32_t by)
{
	uint32_t *last = address->any.sa_family == AF_INET ? &address->v4.sin_addr.s_addr : &address->v6.sin6_addr.s6_addr32[3];

	*last = htonl(ntohl(*last) + by);
}

uint16_t port_of(int fd)
{
	struct address address = {.length = sizeof(address.v6)};

	if (getsockname(fd, &address.any, &address.length))
		return 0;
	return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

uint64_t write_all(int fd, uint64_t bytes)
{
	uint64_t done = 0;

	errno = 0;
	while (done < bytes) {
		size_t next = bytes - done < CHUNK ? bytes - done : CHUNK;
		ssize_t n = send(fd, payload, next, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

uint64_t read_up_to(int fd, uint64_t bytes, bool *ended)
{
	static __thread unsigned char sink[CHUNK];
	uint64_t done = 0;

	errno = 0;
	*ended = false;
	while (done < bytes) {
		size_t next = bytes - done < CHUNK ? bytes - done : CHUNK;
		ssize_t n = recv(fd, sink, next, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*ended = n == 0;
			break;
		}
		done += (uint64_t)n;
	}
	return done;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sleep_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

uint64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

void wait_for_stdin(void)
{
	char rest[256];
	ssize_t n;

	do
		n = read(STDIN_FILENO, rest, sizeof(rest));
	while (n > 0 || (n < 0 && errno == EINTR));
}

void set_timeouts(int fd, int seconds)
{
	struct timeval t = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}
