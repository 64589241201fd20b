/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A TCP connection's storage at its socket, and the fold of what is new in it into the flow map. */
#ifndef ORB8_CONNECTION_H
#define ORB8_CONNECTION_H

#include "dialled.h"
#include "health.h"

const volatile struct settings settings SEC(".rodata.settings");

enum phase {
	CONNECTING = 0, /* SYN sent: no key yet */
	OPEN = 1,
	CLOSED = 2,  /* folded for good: a walk that still holds the storage leaves it alone */
	DIALLED = 3, /* connect() was called, no SYN sent yet: counts for nothing */
};

enum birth {
	NOT_TOLD = 0,
	TOLD = 1, /* opened or adopted is in the flow map */
};

/* Folded under the lock, by the walk and by the close, whichever comes. `sent` and `received` are payload bytes since the
 * handshake, as far as they have been folded. Up to 120 bytes: with what the kernel keeps beside it a socket's storage then is of
 * the same size class (192, up to 6.6 or so 256). */
struct connection {
	struct bpf_spin_lock lock;
	__u8 phase;
	__u8 birth;
	__u8 adopted;
	__u8 role;
	union {
		__u64 sent;
		__u64 began; /* while connecting: when the first SYN left, CLOCK_MONOTONIC, ns */
	};
	__u64 received;
	__u32 segments_out;
	__u32 segments_in;
	__u32 retransmitted;
	__u32 sequence_base;	/* bytes_acked - snd_una, which never changes */
	__u32 connect_us;	/* from the first SYN to established, told with the birth; 0: not seen, or not ours to tell */
	struct dialled dialled; /* written before the SYN leaves, under the socket's lock */
	struct flow_key key;	/* last: what the walk compares shares a cache line */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

/* Payload sent, once: how far the sequence numbers went, in 64 bits. Not bytes_sent - bytes_retrans: a segment that the sender's
 * own queueing discipline drops goes into bytes_sent again when it is sent again, and into bytes_retrans never.
 * Needs no lock: bytes_acked may lag behind snd_nxt or run ahead of it by half the sequence space.
 * snd_nxt is read before the state: a FIN is sent only after the state says so, thus is not taken for payload. */
static __always_inline __u64 payload_sent(const struct tcp_sock *tp, const struct sock *sk, __u32 base)
{
	__u64 acked = READ_ONCE(tp->bytes_acked);
	__u32 next = READ_ONCE(tp->snd_nxt);
	__u8 state = sk->__sk_common.skc_state;
	int closing = state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING || state == TCP_LAST_ACK;

	return acked + (__s64)(__s32)(next + base - (__u32)acked) - (closing && next == READ_ONCE(tp->write_seq));
}

/* The FIN is in bytes_received a moment before SOCK_DONE is set; the fold at close is signed and takes that byte back. */
static __always_inline __u64 payload_received(const struct tcp_sock *tp, const struct sock *sk)
{
	__u64 received = READ_ONCE(tp->bytes_received);

	return received - ((READ_ONCE(sk->__sk_common.skc_flags) >> SOCK_DONE) & 1);
}

/* Moves what is new since the last fold into *news, and gives the connect time where it has not been told. Called under the lock:
 * no calls in here. Where user space began at 0 since the last fold, it knows nothing of this connection: it is told again, as one
 * that is taken up, in keys of the new epoch. What user space finds in keys of another epoch it knows to leave out of the
 * connections that are open. */
static __always_inline __u32 take_news(struct connection *c, const struct tcp_sock *tp, const struct sock *sk, __u8 epoch,
				       struct flow_counts *news)
{
	__u64 sent = payload_sent(tp, sk, c->sequence_base);
	__u64 received = payload_received(tp, sk);
	__u32 out = tp->segs_out, in = tp->segs_in, again = tp->total_retrans;

	news->sent_bytes = sent - c->sent;
	news->received_bytes = received - c->received;
	news->sent_packets = out - c->segments_out;
	news->received_packets = in - c->segments_in;
	news->retransmitted = again - c->retransmitted;
	c->sent = sent;
	c->received = received;
	c->segments_out = out;
	c->segments_in = in;
	c->retransmitted = again;
	if (c->birth == TOLD) {
		news->adopted = c->key.epoch != epoch;
		c->key.epoch = epoch;
		return 0;
	}
	news->opened = !c->adopted;
	news->adopted = c->adopted;
	c->birth = TOLD;
	c->key.epoch = epoch;
	return c->connect_us;
}

static __always_inline int is_news(const struct flow_counts *n)
{
	return (n->sent_bytes | n->received_bytes | n->sent_packets | n->received_packets | n->retransmitted | n->opened |
		n->adopted | n->closed) != 0;
}

/* A client's peer and the server's port are what was dialled, where that is known: as NAT would leave them at the socket. */
static __always_inline void set_key(struct flow_key *key, const struct sock *sk, __u8 role, const struct dialled *d)
{
	key->cgroup = sk->sk_cgrp_data.cgroup->kn->id;
	if (sk->__sk_common.skc_family == AF_INET) {
		set_ipv4(key->local, sk->__sk_common.skc_rcv_saddr);
		set_ipv4(key->remote, sk->__sk_common.skc_daddr);
	} else {
		for (int i = 0; i < 4; i++) {
			key->local[i] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			key->remote[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
		}
	}
	key->port = role == ROLE_SERVER ? sk->__sk_common.skc_num : bpf_ntohs(sk->__sk_common.skc_dport);
	key->protocol = IPPROTO_TCP;
	key->role = role;
	if (d && d->port && role == ROLE_CLIENT) {
		set_remote(key, d);
		key->port = d->port;
	}
	fold_remote(key);
}

/* Runs before the state is stored, so that sk is still as the attempt left it. The error of a connection that is refused, reset
 * or given up is set by then; of one that its owner closes it is not. One that found no local port has sent nothing: connect()
 * itself tells that error. EACCES is what ICMPv6 makes of "administratively prohibited". */
static __always_inline enum failure failure_of(const struct sock *sk, const struct tcp_sock *tp)
{
	switch (sk->sk_err) {
	case 0:
		return sk->sk_shutdown || tp->segs_out ? FAILED_ABORTED : FAILED_OTHER;
	case ECONNREFUSED:
		return FAILED_REFUSED;
	case ETIMEDOUT:
		return FAILED_TIMEOUT;
	case ECONNRESET:
		return FAILED_RESET;
	case EACCES:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
	case ENONET:
	case ENOPROTOOPT:
		return FAILED_UNREACHABLE;
	default:
		return FAILED_OTHER;
	}
}

/* An attempt is over. Both ends' addresses and the server's port are still at the socket. */
static __always_inline void fail(const struct sock *sk, const struct tcp_sock *tp, const struct dialled *d)
{
	struct flow_key key = {};

	set_key(&key, sk, ROLE_CLIENT, d);
	count_failure(&key, failure_of(sk, tp));
}

/* One fold: of a walk, or the last one. The storage is left to go with its socket: deleting it here would cost microseconds, by way
 * of RCU tasks trace. */
static __always_inline void fold(struct connection *c, struct sock *sk, int last)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct flow_counts news = {};
	__u8 epoch = control.epoch;
	int open, ended, failed;
	__u32 connect = 0;

	if (!tp)
		return;
	bpf_spin_lock(&c->lock);
	open = c->phase == OPEN;
	failed = last && c->phase == CONNECTING;
	ended = failed || (last && open);
	if (open) {
		connect = take_news(c, tp, sk, epoch, &news);
		news.closed = last;
	}
	if (ended)
		c->phase = CLOSED;
	bpf_spin_unlock(&c->lock);
	if (open && is_news(&news)) {
		count_flow(&c->key, &news);
		count_times(&c->key, tp->srtt_us >> 3, connect);
	}
	if (failed)
		fail(sk, tp, &c->dialled);
	if (ended)
		__sync_fetch_and_add(&totals.tracked, -1);
}

/* Has nothing happened since the last fold? Seen without the lock and from few cache lines: most sockets of a walk are so, and
 * memory is what a walk waits for. Only while established: the FIN's byte is put right by the folds after it. */
static __always_inline int is_still(const struct connection *c, struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && sk->__sk_common.skc_state == TCP_ESTABLISHED && c->birth == TOLD && c->key.epoch == (__u8)control.epoch &&
	       c->segments_in == tp->segs_in && c->segments_out == tp->segs_out && c->received == tp->bytes_received &&
	       (__u32)c->sent == tp->snd_nxt + c->sequence_base;
}

/* Is there room to watch one more, and a reader? Counts where there is no room. */
static __always_inline int has_room(int tell)
{
	if (is_abandoned(bpf_ktime_get_ns()))
		return 0;
	if (totals.tracked < (__s64)settings.sockets)
		return 1;
	if (tell)
		__sync_fetch_and_add(&totals.untracked_limit, 1);
	return 0;
}

/* Storage for a socket that has none, within the limit; counts what could not be had. */
static __always_inline void store(struct sock *sk, struct connection *fresh, int tell)
{
	if (!has_room(tell))
		return;
	if (bpf_sk_storage_get(&connections, sk, fresh, BPF_SK_STORAGE_GET_F_CREATE))
		__sync_fetch_and_add(&totals.tracked, 1);
	else if (tell)
		__sync_fetch_and_add(&totals.untracked_memory, 1);
}

static __always_inline int is_connected(__u8 state)
{
	return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT ||
	       state == TCP_LAST_ACK || state == TCP_CLOSING;
}

/* Takes up a connection older than us: counts from now on. */
static __always_inline void adopt(struct sock *sk, const struct tcp_sock *tp, __u8 role)
{
	struct connection fresh = {.phase = OPEN, .adopted = 1, .role = role};

	fresh.sequence_base = (__u32)tp->bytes_acked - tp->snd_una;
	fresh.sent = payload_sent(tp, sk, fresh.sequence_base);
	fresh.received = payload_received(tp, sk);
	fresh.segments_out = tp->segs_out;
	fresh.segments_in = tp->segs_in;
	fresh.retransmitted = tp->total_retrans;
	set_key(&fresh.key, sk, role, 0);
	store(sk, &fresh, 0);
}

/* Before any SYN. The storage is that of the connection to come; one that is never begun counts for nothing. */
static __always_inline void dial_connection(struct bpf_sock *sk, const struct dialled *d)
{
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);

	if (c) {
		c->dialled = *d;
	} else if (d->port && has_room(0)) {
		struct connection fresh = {.phase = DIALLED, .dialled = *d};

		bpf_sk_storage_get(&connections, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	}
}

#endif
