/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Datagrams at their socket: UDP, ICMP, and whatever else a socket owns. Knows packets; nothing of TCP. */
#ifndef ORB8_DATAGRAM_H
#define ORB8_DATAGRAM_H

#include "dialled.h"
#include "health.h"

enum binding {
	NOT_BOUND = 0,
	BOUND_TO_PORT = 1, /* bind() named a port */
	BOUND_TO_ANY = 2,  /* bind() left the port to the kernel */
};

enum first {
	NOTHING_YET = 0,
	SENT_FIRST = 1,
	RECEIVED_FIRST = 2,
};

/* Storage exists at sockets that called bind(), at those whose address another program may rewrite, and at raw and ping sockets of
 * applications: the kernel's own have none. */
struct datagram_socket {
	__u8 binding;
	__u8 first;
	__u8 rewritten; /* some of what it sent unconnected, see `rewrites` */
	__u8 pad;
	struct dialled dialled; /* by the last connect() */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct datagram_socket);
} datagram_sockets SEC(".maps");

/* What a task is just sending, unconnected: written before any other program sees the address, read when the packet leaves, by the
 * same task. */
struct sending {
	__u64 socket; /* cookie */
	struct dialled to;
	__u32 pad;
};

/* Must hold those that are between the two; what has not been used for longest makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* struct task_struct * */
	__type(value, struct sending);
} sending SEC(".maps");

/* Where datagrams of an unconnected socket went instead of where they were sent: answers come from there. Resolvers know up to
 * three servers. */
#define REWRITES 4
struct rewrite {
	struct dialled went; /* as if that had been dialled */
	struct dialled to;
};

struct rewrites {
	struct bpf_spin_lock lock;
	__u32 next;
	struct rewrite known[REWRITES];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rewrites);
} rewrites SEC(".maps");

struct ipv4_header {
	__u8 length : 4, version : 4;
	__u8 tos;
	__u16 total;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__u32 source;
	__u32 destination;
};

struct ipv6_header {
	__u32 flow;
	__u16 payload;
	__u8 next;
	__u8 hops;
	__u32 source[4];
	__u32 destination[4];
};

struct packet {
	__u32 payload; /* where the transport's header begins */
	__u8 protocol;
	__u32 source[4];
	__u32 destination[4];
};

/* The headers that a socket's own packets carry before the transport's: hop-by-hop, routing, destination options, fragment. */
static __always_inline int skip_extensions(struct __sk_buff *skb, struct packet *p)
{
	for (int i = 0; i < 4; i++) {
		__u8 head[2];

		if (p->protocol != 0 && p->protocol != 43 && p->protocol != 60 && p->protocol != 44)
			return 1;
		if (bpf_skb_load_bytes(skb, p->payload, head, sizeof(head)))
			return 0;
		p->payload += p->protocol == 44 ? 8 : 8 + head[1] * 8;
		p->protocol = head[0];
	}
	return 1;
}

static __always_inline int read_headers(struct __sk_buff *skb, struct packet *p)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
		struct ipv4_header *h = data;

		if ((void *)(h + 1) > end) /* never: IP has it in the linear part, in both directions */
			return 0;
		p->payload = h->length * 4;
		p->protocol = h->protocol;
		set_ipv4(p->source, h->source);
		set_ipv4(p->destination, h->destination);
		return 1;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6_header h;

		if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)))
			return 0;
		p->payload = sizeof(h);
		p->protocol = h.next;
		set_ipv6(p->source, h.source);
		set_ipv6(p->destination, h.destination);
		return skip_extensions(skb, p);
	}
	return 0;
}

static __always_inline __u32 header_length(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	case IPPROTO_SCTP:
		return 12;
	default:
		return 0;
	}
}

static __always_inline int is_multicast(const __u32 *address)
{
	if (is_mapped(address))
		return in_ipv4(address[3], 0xe0000000, 4) || address[3] == 0xffffffff;
	return (address[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

/* Both ends by the socket where it knows them, since NAT in the socket's own namespace rewrites packets; else by the packet. */
static __always_inline void set_ends(struct flow_key *key, const struct bpf_sock *sk, const struct packet *p, int sent)
{
	const __u32 *own = sent ? p->source : p->destination;
	const __u32 *other = sent ? p->destination : p->source;

	if (sk->family == AF_INET && sk->src_ip4)
		set_ipv4(key->local, sk->src_ip4);
	else if (sk->family == AF_INET6 && (sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3]))
		for (int i = 0; i < 4; i++)
			key->local[i] = sk->src_ip6[i];
	else if (!is_multicast(own))
		set_ipv6(key->local, own);
	if (sk->family == AF_INET && sk->dst_ip4)
		set_ipv4(key->remote, sk->dst_ip4);
	else if (sk->family == AF_INET6 && (sk->dst_ip6[0] | sk->dst_ip6[1] | sk->dst_ip6[2] | sk->dst_ip6[3]))
		for (int i = 0; i < 4; i++)
			key->remote[i] = sk->dst_ip6[i];
	else
		set_ipv6(key->remote, other);
}

/* Who is the server of a datagram, where nobody says so. The end whose owner called bind() with a port; a socket without one is
 * a client. Two ties are decided by who spoke first on this socket:
 * - bound to a port, yet it spoke first, from an unprivileged port to a privileged one: a client that picks its own source port
 *   (resolvers do, against spoofing). NTP's 123 to 123 stays a server at both ends.
 * - bound to no particular port, yet it was spoken to first: a server that told its port by other means.
 * Port ranges are not asked: they differ from namespace to namespace. */
static __always_inline __u8 role_of(struct datagram_socket *socket, __u16 own, __u16 other, int sent)
{
	if (!socket || socket->binding == NOT_BOUND)
		return ROLE_CLIENT;
	if (socket->first == NOTHING_YET)
		socket->first = sent ? SENT_FIRST : RECEIVED_FIRST;
	if (socket->binding == BOUND_TO_PORT)
		return socket->first == SENT_FIRST && other < 1024 && own >= 1024 ? ROLE_CLIENT : ROLE_SERVER;
	return socket->first == RECEIVED_FIRST ? ROLE_SERVER : ROLE_CLIENT;
}

/* Its owner's port where it is a server's, else the server's that it is connected to. */
static __always_inline void count_receive_drop(struct sock *sk)
{
	struct datagram_socket *socket = bpf_sk_storage_get(&datagram_sockets, sk, 0, 0);
	__u16 own = sk->__sk_common.skc_num, other = bpf_ntohs(sk->__sk_common.skc_dport);
	struct flow_key key = {.peer = PEER_NONE};
	struct health *h;

	if (other && socket && socket->dialled.port)
		other = socket->dialled.port;
	key.cgroup = sk->sk_cgrp_data.cgroup->kn->id;
	key.protocol = sk->sk_protocol;
	key.role = role_of(socket, own, other ?: own, 0);
	key.port = key.role == ROLE_SERVER ? own : other;
	h = health_of(&key);
	__sync_fetch_and_add(&h->receive_drops, 1);
}

static __always_inline int is_same(const struct dialled *one, const struct dialled *other)
{
	return one->address[0] == other->address[0] && one->address[1] == other->address[1] &&
	       one->address[2] == other->address[2] && one->address[3] == other->address[3] && one->port == other->port;
}

static __always_inline void remember(struct rewrites *r, const struct rewrite *fresh)
{
	__u32 at = REWRITES;

	bpf_spin_lock(&r->lock);
	for (int i = 0; i < REWRITES; i++)
		if (is_same(&r->known[i].went, &fresh->went))
			at = i;
	if (at == REWRITES)
		at = r->next++ & (REWRITES - 1);
	for (int i = 0; i < REWRITES; i++)
		if (at == i)
			r->known[i] = *fresh;
	bpf_spin_unlock(&r->lock);
}

/* An unconnected datagram leaves for `end`: puts in its place what the application named, and remembers where the two differ. */
static __noinline void put_dialled(struct bpf_sock *sk, __u64 cookie, struct dialled *end)
{
	__u64 task = bpf_get_current_task();
	struct sending *s = bpf_map_lookup_elem(&sending, &task);
	struct datagram_socket *socket;
	struct rewrites *r;
	struct rewrite fresh;

	if (!s || s->socket != cookie || !s->to.port || is_same(&s->to, end))
		return;
	fresh.went = *end;
	fresh.to = s->to;
	*end = s->to;
	r = bpf_sk_storage_get(&rewrites, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	socket = bpf_sk_storage_get(&datagram_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!r || !socket)
		return;
	socket->rewritten = 1;
	remember(r, &fresh);
}

/* An unconnected datagram came from `end`: an answer to what was sent elsewhere? */
static __noinline void put_back(struct bpf_sock *sk, struct dialled *end)
{
	struct rewrites *r = bpf_sk_storage_get(&rewrites, sk, 0, 0);
	struct dialled to = {};

	if (!r)
		return;
	bpf_spin_lock(&r->lock);
	for (int i = 0; i < REWRITES; i++)
		if (is_same(&r->known[i].went, end))
			to = r->known[i].to;
	bpf_spin_unlock(&r->lock);
	if (to.port)
		*end = to;
}

/* The other end's address, in the key, and port: what was dialled where something was. Negative where the packet has no header. */
static __always_inline int set_other_end(struct __sk_buff *skb, struct flow_key *key, struct bpf_sock *sk, const struct packet *p,
					 struct datagram_socket *socket, int sent)
{
	struct dialled end = {};
	__u16 port = sk->dst_port;

	if (port) {
		if (socket && socket->dialled.port) {
			set_remote(key, &socket->dialled);
			return socket->dialled.port;
		}
		return bpf_ntohs(port);
	}
	if (bpf_skb_load_bytes(skb, p->payload + (sent ? 2 : 0), &port, sizeof(port)))
		return -1;
	end.port = bpf_ntohs(port);
	if (sent ? !control.dials : !socket || !socket->rewritten)
		return end.port;
	set_ipv6(end.address, key->remote);
	if (sent)
		put_dialled(sk, bpf_get_socket_cookie(skb), &end);
	else
		put_back(sk, &end);
	set_remote(key, &end);
	return end.port;
}

static __always_inline int set_ports(struct __sk_buff *skb, struct flow_key *key, struct bpf_sock *sk, const struct packet *p,
				     struct datagram_socket *socket, int sent)
{
	int other = set_other_end(skb, key, sk, p, socket, sent);

	if (other < 0)
		return 0;
	key->role = role_of(socket, sk->src_port, other, sent);
	key->port = key->role == ROLE_SERVER ? sk->src_port : other;
	return 1;
}

/* A raw socket is handed copies of what other sockets own; it counts for its own protocol only where that is no one else's. */
static __always_inline void count_datagram(struct __sk_buff *skb, int sent)
{
	struct flow_counts counts = {};
	struct datagram_socket *socket;
	struct flow_key key = {};
	struct packet p = {};
	struct bpf_sock *sk;
	__u32 headers, packets;

	sk = skb->sk;
	if (!sk || is_abandoned(bpf_ktime_get_coarse_ns()))
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !read_headers(skb, &p) || p.protocol == IPPROTO_TCP)
		return;
	socket = bpf_sk_storage_get(&datagram_sockets, sk, 0, 0);
	key.protocol = p.protocol;
	set_ends(&key, sk, &p, sent);
	if (p.protocol == IPPROTO_UDP && sk->protocol == IPPROTO_UDP) {
		if (!set_ports(skb, &key, sk, &p, socket, sent))
			return;
	} else if (p.protocol == IPPROTO_UDP && !sent) {
		return;
	} else if (!socket && (sk->type == SOCK_RAW || p.protocol == IPPROTO_ICMP || p.protocol == IPPROTO_ICMPV6)) {
		return;
	}
	key.cgroup = bpf_skb_cgroup_id(skb);
	fold_remote(&key);
	headers = p.payload + header_length(p.protocol);
	packets = skb->gso_segs ?: 1;
	if (sent) {
		counts.sent_bytes = skb->len > headers ? skb->len - headers : 0;
		counts.sent_packets = packets;
	} else {
		counts.received_bytes = skb->len > headers ? skb->len - headers : 0;
		counts.received_packets = packets;
	}
	count_flow(&key, &counts);
}

static __always_inline void dial_datagrams(struct bpf_sock *sk, const struct dialled *d)
{
	struct datagram_socket *socket = bpf_sk_storage_get(&datagram_sockets, sk, 0, 0);

	if (socket) {
		socket->dialled = *d;
	} else if (d->port && !is_abandoned(bpf_ktime_get_coarse_ns())) {
		struct datagram_socket fresh = {.dialled = *d};

		bpf_sk_storage_get(&datagram_sockets, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	}
}

static __always_inline void dial_datagram(struct bpf_sock_addr *ctx, int v6)
{
	__u64 task = bpf_get_current_task();
	struct sending fresh = {};
	struct sending *s;

	if (is_abandoned(bpf_ktime_get_coarse_ns()))
		return;
	s = bpf_map_lookup_elem(&sending, &task);
	if (!s) {
		read_dialled(&fresh.to, ctx, v6);
		fresh.socket = bpf_get_socket_cookie(ctx);
		bpf_map_update_elem(&sending, &task, &fresh, BPF_ANY);
		return;
	}
	s->socket = bpf_get_socket_cookie(ctx);
	read_dialled(&s->to, ctx, v6);
}

#endif
