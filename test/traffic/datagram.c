/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The agent's verbs for datagrams: UDP one by one and in batches, multicast, echo requests, raw protocols. */
#include "agent.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ECHO_ID 0x0b8

/* sendto NAME ADDRESS PORT SIZE [COUNT] */
static void do_sendto(struct call *call)
{
	uint64_t size = number(call, 4, 0), count = number(call, 5, 1), sent = 0;
	struct address address;

	if (size > CHUNK || !address_at(call, 2, &address)) {
		answer_errno();
		return;
	}
	while (sent < count && sendto(call->fd, payload, size, 0, &address.any, address.length) == (ssize_t)size)
		sent++;
	if (sent < count)
		answer_errno();
	else
		answer("\"calls\":%lu,\"bytes\":%lu", sent, sent * size);
}

/* send NAME SIZE [COUNT]: on a connected socket */
static void do_send(struct call *call)
{
	uint64_t size = number(call, 2, 0), count = number(call, 3, 1), sent = 0;

	while (sent < count && size <= CHUNK && send(call->fd, payload, size, 0) == (ssize_t)size)
		sent++;
	if (sent < count)
		answer_errno();
	else
		answer("\"calls\":%lu,\"bytes\":%lu", sent, sent * size);
}

/* The size of the datagrams that one call received together (UDP_GRO), or all of it where it was one. */
static size_t segment_of(struct msghdr *message, size_t all)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			return (size_t) * (int *)CMSG_DATA(c);
	return all;
}

/* recv NAME COUNT: that many datagrams; fewer where none comes any more */
static void do_recv(struct call *call)
{
	static unsigned char buffer[CHUNK];
	uint64_t datagrams = 0, bytes = 0, calls = 0, count = number(call, 2, 1);
	struct address peer = {.length = sizeof(peer.v6)};

	while (datagrams < count) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec io = {.iov_base = buffer, .iov_len = sizeof(buffer)};
		struct msghdr message = {.msg_name = &peer.any,
					 .msg_namelen = sizeof(peer.v6),
					 .msg_iov = &io,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(call->fd, &message, 0);
		size_t segment;

		if (n < 0)
			break;
		segment = segment_of(&message, (size_t)n);
		datagrams += segment ? ((size_t)n + segment - 1) / segment : 1;
		bytes += (uint64_t)n;
		calls++;
	}
	answer("\"datagrams\":%lu,\"bytes\":%lu,\"calls\":%lu,\"peerPort\":%u", datagrams, bytes, calls,
	       ntohs(peer.any.sa_family == AF_INET ? peer.v4.sin_port : peer.v6.sin6_port));
}

/* join NAME GROUP LOCAL-ADDRESS, or for IPv6 join NAME GROUP%INTERFACE INTERFACE */
static void do_join(struct call *call)
{
	struct address group, local;
	int failed;

	if (!parse_address(call->words[2], 0, &group)) {
		answer_errno();
		return;
	}
	if (group.any.sa_family == AF_INET6) {
		struct ipv6_mreq m = {.ipv6mr_multiaddr = group.v6.sin6_addr, .ipv6mr_interface = if_nametoindex(call->words[3])};

		failed = setsockopt(call->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m));
	} else {
		struct ip_mreq m = {.imr_multiaddr = group.v4.sin_addr};

		failed = !parse_address(call->words[3], 0, &local);
		m.imr_interface = local.v4.sin_addr;
		failed = failed || setsockopt(call->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) ||
			 setsockopt(call->fd, IPPROTO_IP, IP_MULTICAST_IF, &m.imr_interface, sizeof(m.imr_interface));
	}
	if (failed)
		answer_errno();
	else
		answer_done();
}

static uint16_t internet_checksum(const unsigned char *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		sum += (uint32_t)bytes[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t make_echo(unsigned char *packet, int family, uint16_t sequence, size_t size)
{
	struct icmphdr head = {.type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST};

	head.un.echo.id = htons(ECHO_ID);
	head.un.echo.sequence = htons(sequence);
	memset(packet, 0, sizeof(head) + size);
	memcpy(packet, &head, sizeof(head));
	if (family == AF_INET) {
		head.checksum = internet_checksum(packet, sizeof(head) + size);
		memcpy(packet, &head, sizeof(head));
	}
	return sizeof(head) + size;
}

/* Is what came an echo reply? A raw IPv4 socket also gets the IP header. */
static bool is_reply(const unsigned char *packet, size_t length, int family, bool raw)
{
	size_t skip = raw && family == AF_INET ? (size_t)(packet[0] & 15) * 4 : 0;

	return length > skip && packet[skip] == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
}

/* ping NAME ADDRESS SIZE COUNT: echo requests with SIZE bytes of data, each answered before the next. Also tells all that the
 * socket got, replies or not. */
static void do_ping(struct call *call)
{
	static unsigned char buffer[CHUNK];
	uint64_t size = number(call, 3, 56), count = number(call, 4, 1), sent = 0, replies = 0, others = 0;
	struct address address;
	int type = 0;
	socklen_t length = sizeof(type);

	if (size > CHUNK - 64 || !parse_address(call->words[2], 0, &address)) {
		answer_errno();
		return;
	}
	getsockopt(call->fd, SOL_SOCKET, SO_TYPE, &type, &length);
	for (; sent < count; sent++) {
		size_t whole = make_echo(buffer, address.any.sa_family, (uint16_t)sent, size);
		bool answered = false;

		if (sendto(call->fd, buffer, whole, 0, &address.any, address.length) != (ssize_t)whole)
			break;
		while (!answered) {
			ssize_t n = recv(call->fd, buffer, sizeof(buffer), 0);

			if (n < 0)
				break;
			answered = is_reply(buffer, (size_t)n, address.any.sa_family, type == SOCK_RAW);
			others += !answered;
		}
		replies += answered;
	}
	if (sent < count)
		answer_errno();
	else
		answer("\"sent\":%lu,\"replies\":%lu,\"others\":%lu", sent, replies, others);
}

const struct verb datagram_verbs[] = {
	{"sendto", 4, true, do_sendto}, {"send", 2, true, do_send}, {"recv", 2, true, do_recv},
	{"join", 3, true, do_join},	{"ping", 4, true, do_ping}, {NULL, 0, false, NULL},
};
