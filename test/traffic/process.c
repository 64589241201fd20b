/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The agent's verbs for whose a socket is, and its options: passing it on, inheriting it, moving to another cgroup. */
#include "agent.h"
#include <errno.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASS_TRIES 200 /* 20 ms each, until the other end listens */

static const struct {
	const char *name;
	int level, option;
} options[] = {
	{"nodelay", IPPROTO_TCP, TCP_NODELAY},
	{"syncnt", IPPROTO_TCP, TCP_SYNCNT},
	{"fastopen", IPPROTO_TCP, TCP_FASTOPEN},
	{"usertimeout", IPPROTO_TCP, TCP_USER_TIMEOUT},
	{"mss", IPPROTO_TCP, TCP_MAXSEG},
	{"v6only", IPPROTO_IPV6, IPV6_V6ONLY},
	{"segment", IPPROTO_UDP, UDP_SEGMENT},
	{"gro", IPPROTO_UDP, UDP_GRO},
	{"rcvbuf", SOL_SOCKET, SO_RCVBUF},
	{"sndbuf", SOL_SOCKET, SO_SNDBUF},
	{"broadcast", SOL_SOCKET, SO_BROADCAST},
	{"reuseport", SOL_SOCKET, SO_REUSEPORT},
	{"keepalive", SOL_SOCKET, SO_KEEPALIVE},
	{"deferaccept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
	{"fastopenconnect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
};

/* option NAME OPTION NUMBER */
static void do_option(struct call *call)
{
	int value = (int)number(call, 3, 0);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, call->words[2]))
			continue;
		if (setsockopt(call->fd, options[i].level, options[i].option, &value, sizeof(value)))
			answer_errno();
		else
			answer_done();
		return;
	}
	answer_errno();
}

/* patience NAME SECONDS: how long a read or write waits */
static void do_patience(struct call *call)
{
	set_timeouts(call->fd, (int)number(call, 2, 1));
	answer_done();
}

static struct sockaddr_un at_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static void fill_message(struct msghdr *message, struct iovec *io, char *control, size_t size)
{
	static char byte;

	*io = (struct iovec){.iov_base = &byte, .iov_len = 1};
	*message = (struct msghdr){.msg_iov = io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = size};
}

/* pass NAME PATH: hands the socket to the agent that says `take` there, and closes it here */
static void do_pass(struct call *call)
{
	struct sockaddr_un address = at_path(call->words[2]);
	int channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr message;
	struct cmsghdr *head;
	struct iovec io;

	for (int i = 0; connect(channel, (struct sockaddr *)&address, sizeof(address)); i++) {
		if (i == PASS_TRIES)
			die("pass");
		usleep(20000);
	}
	fill_message(&message, &io, control, sizeof(control));
	head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &call->fd, sizeof(int));
	if (sendmsg(channel, &message, 0) != 1)
		die("pass");
	close(channel);
	close(call->fd);
	keep_socket(call->words[1], -1);
	answer_done();
}

/* take NAME PATH */
static void do_take(struct call *call)
{
	struct sockaddr_un address = at_path(call->words[2]);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), channel, fd;
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr message;
	struct iovec io;

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		die("take");
	channel = accept(listener, NULL, NULL);
	fill_message(&message, &io, control, sizeof(control));
	if (channel < 0 || recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		die("take");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	close(channel);
	close(listener);
	unlink(call->words[2]);
	keep_socket(call->words[1], fd);
	answer_done();
}

/* move CGROUP: this process goes there, its sockets stay whose they are */
static void do_move(struct call *call)
{
	join_cgroup(call->words[1]);
	answer_done();
}

static void serve_one(int listener, uint64_t bytes)
{
	int fd = accept(listener, NULL, NULL);
	bool ended;

	if (fd < 0)
		die("accept");
	set_timeouts(fd, 20);
	read_up_to(fd, UINT64_MAX, &ended);
	if (!ended || write_all(fd, bytes) != bytes)
		die("inherit");
	close(fd);
}

/* inherit LISTENER CGROUP BYTES: a child that inherits the listener goes to CGROUP, accepts one connection, reads it to its
 * end, answers with BYTES and ends. `reap` waits for it. */
static void do_inherit(struct call *call)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		join_cgroup(call->words[2]);
		serve_one(call->fd, number(call, 3, 0));
		_exit(0);
	}
	answer("\"pid\":%d", child);
}

/* reap: waits for the child of `inherit` */
static void do_reap(struct call *call)
{
	int status;

	(void)call;
	if (wait(&status) < 0)
		answer_errno();
	else
		answer("\"status\":%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

const struct verb process_verbs[] = {
	{"option", 3, true, do_option}, {"patience", 2, true, do_patience},
	{"pass", 2, true, do_pass},	{"take", 2, false, do_take},
	{"move", 1, false, do_move},	{"inherit", 3, true, do_inherit},
	{"reap", 0, false, do_reap},	{NULL, 0, false, NULL},
};
