/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What a TCP listener turns away for want of room: seen at the packet that it happens to. Knows nothing of connections. */
#ifndef ORB8_LISTENER_H
#define ORB8_LISTENER_H

#include "datagram.h"

#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

static __always_inline int is_for_listener(struct __sk_buff *skb)
{
	struct bpf_sock *own = skb->sk;

	return own && own->state == BPF_TCP_LISTEN;
}

/* A SYN, or an ACK that would end a handshake: the two that find no place in a full accept queue. */
static __always_inline int asks_for_place(struct __sk_buff *skb)
{
	int v6 = skb->protocol != bpf_htons(ETH_P_IP);
	__u32 offset = sizeof(struct ipv6_header);
	__u8 flags;

	if (!v6) {
		__u8 first;

		if (bpf_skb_load_bytes(skb, 0, &first, 1))
			return 0;
		offset = (first & 15) * 4;
	}
	if (bpf_skb_load_bytes(skb, offset + 13, &flags, 1))
		return 0;
	flags &= FLAG_SYN | FLAG_RST | FLAG_ACK;
	return flags == FLAG_SYN || flags == FLAG_ACK;
}

/* Runs just before the kernel looks at the queue's length, and asks what it asks (sk_acceptq_is_full). Not sk_drops of the
 * listener: see docs/decisions/0006. */
static __noinline int meet_listener(struct __sk_buff *skb)
{
	struct flow_key key = {.peer = PEER_NONE, .protocol = IPPROTO_TCP, .role = ROLE_SERVER};
	struct bpf_sock *own = skb->sk;
	struct tcp_sock *tp;
	struct health *h;
	struct sock *sk;

	if (!own || is_abandoned(bpf_ktime_get_coarse_ns()))
		return 0;
	own = bpf_sk_fullsock(own);
	if (!own)
		return 0;
	tp = bpf_skc_to_tcp_sock(own);
	if (!tp)
		return 0;
	sk = (struct sock *)tp;
	if (sk->sk_ack_backlog <= sk->sk_max_ack_backlog || !asks_for_place(skb))
		return 0;
	key.cgroup = sk->sk_cgrp_data.cgroup->kn->id;
	key.port = sk->__sk_common.skc_num;
	h = health_of(&key);
	__sync_fetch_and_add(&h->listen_overflows, 1);
	return 0;
}

#endif
