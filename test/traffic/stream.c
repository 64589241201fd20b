/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The agent's verbs for connections: open, move bytes by every way there is, and end them by every way there is. */
#include "agent.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define PATIENCE_S 20 /* a read or write that waits longer fails with EAGAIN */

/* socket NAME 4|6 tcp|mptcp|udp|ping|raw [PROTOCOL] */
static void do_socket(struct call *call)
{
	int family = strcmp(call->words[2], "6") == 0 ? AF_INET6 : AF_INET;
	const char *kind = call->words[3];
	int type = SOCK_STREAM, protocol = 0, fd;

	if (strcmp(kind, "udp") == 0) {
		type = SOCK_DGRAM;
	} else if (strcmp(kind, "ping") == 0) {
		type = SOCK_DGRAM;
		protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	} else if (strcmp(kind, "raw") == 0) {
		type = SOCK_RAW;
		protocol = (int)number(call, 4, IPPROTO_ICMP);
	} else if (strcmp(kind, "mptcp") == 0) {
		protocol = IPPROTO_MPTCP;
	}
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0) {
		answer_errno();
		return;
	}
	set_timeouts(fd, PATIENCE_S);
	keep_socket(call->words[1], fd);
	answer_done();
}

/* bind NAME ADDRESS PORT */
static void do_bind(struct call *call)
{
	struct address address;
	int one = 1;

	setsockopt(call->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!address_at(call, 2, &address) || bind(call->fd, &address.any, address.length))
		answer_errno();
	else
		answer("\"port\":%u", port_of(call->fd));
}

/* listen NAME [BACKLOG] */
static void do_listen(struct call *call)
{
	if (listen(call->fd, (int)number(call, 2, 4096)))
		answer_errno();
	else
		answer("\"port\":%u", port_of(call->fd));
}

/* connect NAME ADDRESS PORT */
static void do_connect(struct call *call)
{
	struct address address;

	if (!address_at(call, 2, &address) || connect(call->fd, &address.any, address.length))
		answer_errno();
	else
		answer("\"port\":%u", port_of(call->fd));
}

/* begin NAME ADDRESS PORT: sends the SYN and does not wait */
static void do_begin(struct call *call)
{
	struct address address;
	int flags = fcntl(call->fd, F_GETFL);

	fcntl(call->fd, F_SETFL, flags | O_NONBLOCK);
	if (!address_at(call, 2, &address) || (connect(call->fd, &address.any, address.length) && errno != EINPROGRESS))
		answer_errno();
	else
		answer("\"port\":%u", port_of(call->fd));
	fcntl(call->fd, F_SETFL, flags);
}

/* disconnect NAME: aborts the connection; the socket can be used for another one */
static void do_disconnect(struct call *call)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	if (connect(call->fd, &nowhere, sizeof(nowhere)))
		answer_errno();
	else
		answer_done();
}

/* urgent NAME: one byte out of band */
static void do_urgent(struct call *call)
{
	if (send(call->fd, payload, 1, MSG_OOB) != 1)
		answer_errno();
	else
		answer_done();
}

/* accept LISTENER NAME */
static void do_accept(struct call *call)
{
	int fd = accept4(call->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		answer_errno();
		return;
	}
	set_timeouts(fd, PATIENCE_S);
	keep_socket(call->words[2], fd);
	answer_done();
}

static void answer_moved(uint64_t bytes, bool ended)
{
	if (errno)
		printf("{\"ok\":true,\"bytes\":%lu,\"ended\":%s,\"error\":\"%s\"}\n", bytes, ended ? "true" : "false",
		       strerrorname_np(errno));
	else
		answer("\"bytes\":%lu,\"ended\":%s", bytes, ended ? "true" : "false");
}

/* write NAME BYTES */
static void do_write(struct call *call)
{
	uint64_t done = write_all(call->fd, number(call, 2, 0));

	answer_moved(done, false);
}

/* read NAME BYTES: that many, or to the end; without BYTES to the end */
static void do_read(struct call *call)
{
	bool ended;
	uint64_t done = read_up_to(call->fd, number(call, 2, UINT64_MAX), &ended);

	answer_moved(done, ended);
}

/* fastopen NAME ADDRESS PORT BYTES: connects with data in the SYN, where the kernel has a cookie */
static void do_fastopen(struct call *call)
{
	uint64_t bytes = number(call, 4, 0);
	struct address address;
	ssize_t n;

	if (!address_at(call, 2, &address) || bytes > CHUNK) {
		answer_errno();
		return;
	}
	errno = 0;
	n = sendto(call->fd, payload, bytes, MSG_FASTOPEN, &address.any, address.length);
	if (n < 0)
		answer_errno();
	else
		answer("\"bytes\":%zd,\"port\":%u", n, port_of(call->fd));
}

/* sendfile NAME BYTES */
static void do_sendfile(struct call *call)
{
	uint64_t bytes = number(call, 2, 0), done = 0;
	int file = memfd_create("traffic", MFD_CLOEXEC);

	if (file < 0 || ftruncate(file, (off_t)bytes))
		die("memfd");
	errno = 0;
	while (done < bytes) {
		ssize_t n = sendfile(call->fd, file, NULL, bytes - done);

		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	answer_moved(done, false);
	close(file);
}

/* A pipe's worth at a time from one end of the pipe to the other and on: `into` the socket, or out of it. */
static uint64_t splice_some(int socket, bool into, uint64_t bytes, bool *ended)
{
	static unsigned char buffer[CHUNK / 2];
	uint64_t done = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		die("pipe");
	errno = 0;
	while (done < bytes) {
		size_t next = bytes - done < sizeof(buffer) ? bytes - done : sizeof(buffer);
		ssize_t n;

		if (into && write(ends[1], buffer, next) != (ssize_t)next)
			break;
		n = into ? splice(ends[0], NULL, socket, NULL, next, 0) : splice(socket, NULL, ends[1], NULL, next, 0);
		if (n <= 0) {
			*ended = n == 0;
			break;
		}
		for (ssize_t m = into ? 0 : read(ends[0], buffer, (size_t)n); !into && m < n;
		     m += read(ends[0], buffer, (size_t)(n - m)))
			;
		done += (uint64_t)n;
		while (into && (size_t)n < next) { /* what the socket did not take at once */
			ssize_t more = splice(ends[0], NULL, socket, NULL, next - (size_t)n, 0);

			if (more <= 0)
				break;
			n += more;
			done += (uint64_t)more;
		}
	}
	close(ends[0]);
	close(ends[1]);
	return done;
}

/* splice NAME BYTES: into the socket */
static void do_splice(struct call *call)
{
	bool ended = false;
	uint64_t done = splice_some(call->fd, true, number(call, 2, 0), &ended);

	answer_moved(done, ended);
}

/* unsplice NAME BYTES: out of the socket */
static void do_unsplice(struct call *call)
{
	bool ended = false;
	uint64_t done = splice_some(call->fd, false, number(call, 2, UINT64_MAX), &ended);

	answer_moved(done, ended);
}

/* shutdown NAME: no more is written here */
static void do_shutdown(struct call *call)
{
	if (shutdown(call->fd, SHUT_WR))
		answer_errno();
	else
		answer_done();
}

/* close NAME */
static void do_close(struct call *call)
{
	close(call->fd);
	keep_socket(call->words[1], -1);
	answer_done();
}

/* reset NAME: closes with a reset */
static void do_reset(struct call *call)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(call->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	do_close(call);
}

/* info NAME: what the kernel says of the connection, and what waits in its queues */
static void do_info(struct call *call)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);
	int in = 0, out = 0;

	memset(&info, 0, sizeof(info));
	if (getsockopt(call->fd, IPPROTO_TCP, TCP_INFO, &info, &length)) {
		answer_errno();
		return;
	}
	ioctl(call->fd, SIOCINQ, &in);
	ioctl(call->fd, SIOCOUTQ, &out);
	answer("\"state\":%u,\"received\":%llu,\"acked\":%llu,\"sent\":%llu,\"resent\":%llu,\"retransmitted\":%u,\"segmentsIn\":%u,"
	       "\"segmentsOut\":%u,\"unread\":%d,\"unacked\":%d,\"fastOpen\":%s,\"rtt\":%u",
	       info.tcpi_state, info.tcpi_bytes_received, info.tcpi_bytes_acked, info.tcpi_bytes_sent, info.tcpi_bytes_retrans,
	       info.tcpi_total_retrans, info.tcpi_segs_in, info.tcpi_segs_out, in, out,
	       info.tcpi_options & TCPI_OPT_SYN_DATA ? "true" : "false", info.tcpi_rtt);
}

const struct verb stream_verbs[] = {
	{"socket", 3, false, do_socket},
	{"bind", 3, true, do_bind},
	{"listen", 1, true, do_listen},
	{"connect", 3, true, do_connect},
	{"begin", 3, true, do_begin},
	{"accept", 2, true, do_accept},
	{"disconnect", 1, true, do_disconnect},
	{"urgent", 1, true, do_urgent},
	{"write", 2, true, do_write},
	{"read", 1, true, do_read},
	{"fastopen", 4, true, do_fastopen},
	{"sendfile", 2, true, do_sendfile},
	{"splice", 2, true, do_splice},
	{"unsplice", 1, true, do_unsplice},
	{"shutdown", 1, true, do_shutdown},
	{"close", 1, true, do_close},
	{"reset", 1, true, do_reset},
	{"info", 1, true, do_info},
	{NULL, 0, false, NULL},
};
