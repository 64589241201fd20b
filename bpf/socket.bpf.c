// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The socket datapath: TCP from the socket's own counters, read when we ask and at its end; datagrams at the cgroup root.
#include "connection.h"
#include "datagram.h"
#include "listener.h"
#include "takeover.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define ALLOW 1

/* Reads of an iterator return once something was written: they end with EAGAIN past a million objects else. */
#define BREATHE 16384

/* Listening ports by network namespace, from one pass over all files; the next pass tells client from server by it. */
struct listener {
	__u32 netns;
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct listener);
	__type(value, enum role);
} listeners SEC(".maps");

static __always_inline struct listener listener_of(const struct sock *sk)
{
	struct listener l = {.netns = sk->__sk_common.skc_net.net->ns.inum, .port = sk->__sk_common.skc_num};

	return l;
}

static __always_inline void breathe(struct bpf_iter_meta *meta)
{
	if (meta->seq_num % BREATHE == BREATHE - 1)
		bpf_seq_write(meta->seq, "", 1);
}

/* A socket enters its handshake as a client, perhaps not for the first time. Where there is no room, the end of the handshake
 * tells. Of the two sources the later one is nearer to the SYN: with TCP_FASTOPEN_CONNECT it leaves at the first write. */
static __always_inline void begin_connect(struct sock *sk)
{
	__u64 now = bpf_ktime_get_ns();
	struct connection fresh = {.phase = CONNECTING, .role = ROLE_CLIENT, .began = now};
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);
	int again;

	if (!c) {
		store(sk, &fresh, 0);
		return;
	}
	if (c->phase == CONNECTING)
		c->began = now; /* under the socket's lock, and the walk leaves it alone */
	if ((c->phase != CLOSED && c->phase != DIALLED) || !has_room(0))
		return;
	bpf_spin_lock(&c->lock);
	again = c->phase == CLOSED || c->phase == DIALLED;
	if (again) {
		c->phase = CONNECTING;
		c->birth = NOT_TOLD;
		c->adopted = 0;
		c->role = ROLE_CLIENT;
		c->began = now;
	}
	bpf_spin_unlock(&c->lock);
	if (again)
		__sync_fetch_and_add(&totals.tracked, 1);
}

/* Never 0, which is no time at all: of an attempt that began under a build which kept none. */
static __always_inline __u32 us_since(__u64 began)
{
	__u64 us = (bpf_ktime_get_ns() - began) / 1000;

	if (!began)
		return 0;
	return us == 0 ? 1 : us < 0xffffffff ? us : 0xffffffff;
}

/* The handshake is over, or a Fast Open child leaves before its end: from here on there are ends and counters. A SYN sent has
 * taken one sequence number, which bytes_acked holds by now. */
static __always_inline void open_connection(struct sock *sk, int before, int tell)
{
	struct connection fresh = {.phase = OPEN, .role = before == TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER};
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);
	struct tcp_sock *tp;
	int late;

	if (c && c->phase != CONNECTING && c->phase != DIALLED)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	late = c && c->phase == DIALLED; /* there was no room at the SYN */
	if (late && !has_room(tell))
		return;
	if (c && !late) {
		fresh.role = c->role;
		fresh.connect_us = us_since(c->began);
	}
	fresh.sent = fresh.role == ROLE_CLIENT;
	fresh.sequence_base = (__u32)tp->bytes_acked - tp->snd_una;
	set_key(&fresh.key, sk, fresh.role, c ? &c->dialled : 0);
	if (!c) {
		store(sk, &fresh, tell);
		return;
	}
	__builtin_memcpy(&c->key, &fresh.key, sizeof(c->key)); /* nobody reads it while connecting */
	bpf_spin_lock(&c->lock);
	c->sent = fresh.sent;
	c->received = 0;
	c->segments_out = 0;
	c->segments_in = 0;
	c->retransmitted = 0;
	c->sequence_base = fresh.sequence_base;
	c->connect_us = fresh.connect_us;
	c->role = fresh.role;
	c->phase = OPEN;
	bpf_spin_unlock(&c->lock);
	if (late)
		__sync_fetch_and_add(&totals.tracked, 1);
}

/* An attempt that there was no storage for is told by one of the two sources only. */
static __always_inline void close_connection(struct sock *sk, int before, int tell)
{
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);
	struct tcp_sock *tp;

	if (c && c->phase != DIALLED) {
		fold(c, sk, 1);
	} else if (tell && before == TCP_SYN_SENT && !is_abandoned(bpf_ktime_get_ns())) {
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp)
			fail(sk, tp, c ? &c->dialled : 0);
	}
}

/* Runs before the state is stored: sk still has the old one. Often in softirq on behalf of somebody else, so the current task
 * says nothing. MPTCP's own sockets come here with protocol 262; their subflows carry the bytes. Doing it twice is doing it
 * once. */
static __always_inline int on_state(struct sock *sk, int before, int after, int tell)
{
	if (after != TCP_CLOSE && after != TCP_SYN_SENT && after != TCP_ESTABLISHED && before != TCP_SYN_RECV)
		return 0;
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	take_over(sk);
	if (after == TCP_CLOSE)
		close_connection(sk, before, tell);
	else if (after == TCP_SYN_SENT)
		begin_connect(sk);
	else if (is_connected(after))
		open_connection(sk, before, tell);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(orb8_tcp_state, struct sock *sk, int before, int after)
{
	return on_state(sk, before, after, 1);
}

/* The same changes once more, for connections that began in our time. Since 6.1 a tracepoint's program is skipped where it would
 * run inside itself: an interrupt lands in it while a process connects or closes, and the softirq that follows changes another
 * socket's state. A guest's kernel may run no tracing program while certain tasks are interrupted. Programs of cgroups know no
 * such gaps, save in those tasks' own name; but only sockets that asked for it, and an answer to each: 1 and an untouched reply
 * leave TCP as it is. See docs/decisions/0002. */
SEC("sockops")
int orb8_tcp_events(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *own = ctx->sk;
	struct tcp_sock *tp;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: /* before the state changes; for a Fast Open child long before */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
			return ALLOW;
		break;
	case BPF_SOCK_OPS_STATE_CB:
		break;
	default:
		return ALLOW;
	}
	if (!own)
		return ALLOW;
	tp = bpf_skc_to_tcp_sock(own);
	if (!tp)
		return ALLOW;
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		on_state((struct sock *)tp, TCP_CLOSE, TCP_SYN_SENT, 0);
	else
		on_state((struct sock *)tp, ctx->args[0], ctx->args[1], 0);
	return ALLOW;
}

SEC("iter/bpf_sk_storage_map")
int orb8_walk(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	const struct connection *seen = ctx->value;
	struct connection *c;
	int gone;

	breathe(ctx->meta);
	if (!sk || !seen || is_still(seen, sk))
		return 0;
	/* The lock is refused on ctx->value and taken on what the helper returns. */
	c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (!c)
		return 0;
	/* Adopted in the instant of its close: nobody else will end it. While connecting, the state is stored after the event. */
	gone = c->phase == OPEN && sk->__sk_common.skc_state == TCP_CLOSE;
	fold(c, sk, gone);
	return 0;
}

/* The rest, once the old programs are gone. Attached to the old map. */
SEC("iter/bpf_sk_storage_map")
int orb8_take_over(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;

	breathe(ctx->meta);
	if (sk)
		take_over(sk);
	return 0;
}

/* The IPv4 or IPv6 socket behind a file, if it is one. */
static __always_inline struct sock *internet_socket(struct file *file)
{
	struct socket *socket = file ? bpf_sock_from_file(file) : 0;
	struct sock *sk = socket ? socket->sk : 0;

	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	return sk;
}

SEC("iter/task_file")
int orb8_find_listeners(struct bpf_iter__task_file *ctx)
{
	struct sock *sk;

	breathe(ctx->meta);
	sk = internet_socket(ctx->file);
	if (!sk)
		return 0;
	if (sk->sk_type == SOCK_STREAM && sk->__sk_common.skc_state == TCP_LISTEN) {
		struct listener l = listener_of(sk);
		enum role role = ROLE_SERVER;

		bpf_map_update_elem(&listeners, &l, &role, BPF_ANY);
	}
	return 0;
}

/* Datagram sockets older than us: what bind and sock_create would have marked. */
static __always_inline void mark_datagram_socket(struct sock *sk)
{
	struct datagram_socket fresh = {};

	if (sk->sk_protocol == IPPROTO_UDP) {
		if (!(BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK))
			return;
		fresh.binding = BOUND_TO_PORT;
	} else if (sk->sk_type != SOCK_RAW && sk->sk_protocol != IPPROTO_ICMP && sk->sk_protocol != IPPROTO_ICMPV6) {
		return;
	}
	bpf_sk_storage_get(&datagram_sockets, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
}

SEC("iter/task_file")
int orb8_adopt_files(struct bpf_iter__task_file *ctx)
{
	struct tcp_sock *tp;
	struct listener l;
	struct sock *sk;

	breathe(ctx->meta);
	sk = internet_socket(ctx->file);
	if (!sk)
		return 0;
	if (sk->sk_protocol != IPPROTO_TCP) {
		mark_datagram_socket(sk);
		return 0;
	}
	if (!is_connected(sk->__sk_common.skc_state) || bpf_sk_storage_get(&connections, sk, 0, 0))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	l = listener_of(sk);
	adopt(sk, tp, bpf_map_lookup_elem(&listeners, &l) ? ROLE_SERVER : ROLE_CLIENT);
	return 0;
}

/* Does anybody listen where this socket's own end is? The kernel's own lookup in the socket's namespace; no source port 0 is
 * ever connected, so only a listener can answer. */
static __always_inline __u8 role_by_lookup(struct __sk_buff *skb, struct bpf_sock *own)
{
	struct bpf_sock_tuple at = {};
	struct bpf_sock *found;
	__u8 role;

	if (own->family == AF_INET) {
		at.ipv4.saddr = own->dst_ip4;
		at.ipv4.daddr = own->src_ip4;
		at.ipv4.dport = bpf_htons(own->src_port);
		found = bpf_skc_lookup_tcp(skb, &at, sizeof(at.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		for (int i = 0; i < 4; i++) {
			at.ipv6.saddr[i] = own->dst_ip6[i];
			at.ipv6.daddr[i] = own->src_ip6[i];
		}
		at.ipv6.dport = bpf_htons(own->src_port);
		found = bpf_skc_lookup_tcp(skb, &at, sizeof(at.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!found)
		return ROLE_CLIENT;
	role = found->state == BPF_TCP_LISTEN ? ROLE_SERVER : ROLE_CLIENT;
	bpf_sk_release(found);
	return role;
}

/* Connections older than us that no file showed (other PID namespaces, not yet accepted, MPTCP's): at their next packet. */
static __noinline int adopt_by_packet(struct __sk_buff *skb)
{
	struct bpf_sock *own = skb->sk;
	struct tcp_sock *tp;
	struct sock *sk;

	if (!own)
		return 0;
	own = bpf_sk_fullsock(own);
	if (!own || own->protocol != IPPROTO_TCP || !is_connected(own->state))
		return 0;
	if (bpf_sk_storage_get(&connections, own, 0, 0))
		return 0;
	tp = bpf_skc_to_tcp_sock(own);
	if (!tp)
		return 0;
	sk = (struct sock *)tp;
	adopt(sk, tp, role_by_lookup(skb, own));
	return 0;
}

/* Are connections still taken up at their packets? One load where they never were, or where user space has ended it. */
static __always_inline int is_adopting(void)
{
	return control.adopt_until && (__s64)(control.adopt_until - bpf_ktime_get_coarse_ns()) > 0;
}

/* TCP's packets leave here: one look at the header. */
static __always_inline int is_tcp(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_header *h = data;

		return (void *)(h + 1) <= end && h->protocol == IPPROTO_TCP;
	} else {
		struct ipv6_header *h = data;

		return (void *)(h + 1) <= end && h->next == IPPROTO_TCP;
	}
}

SEC("cgroup_skb/egress")
int orb8_egress(struct __sk_buff *skb)
{
	if (!is_tcp(skb))
		count_datagram(skb, 1);
	else if (is_adopting())
		adopt_by_packet(skb);
	return ALLOW;
}

SEC("cgroup_skb/ingress")
int orb8_ingress(struct __sk_buff *skb)
{
	if (!is_tcp(skb))
		count_datagram(skb, 0);
	else if (is_for_listener(skb))
		meet_listener(skb);
	else if (is_adopting())
		adopt_by_packet(skb);
	return ALLOW;
}

/* A datagram that the socket's full receive buffer turns away. Newer kernels append an argument. */
SEC("tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(orb8_udp_drop, int error, struct sock *sk)
{
	if (!is_abandoned(bpf_ktime_get_ns()))
		count_receive_drop(sk);
	return 0;
}

static __always_inline void mark_bind(struct bpf_sock_addr *ctx)
{
	struct datagram_socket fresh = {.binding = ctx->user_port ? BOUND_TO_PORT : BOUND_TO_ANY};
	struct datagram_socket *socket;

	if (ctx->protocol != IPPROTO_UDP || !ctx->sk)
		return;
	socket = bpf_sk_storage_get(&datagram_sockets, ctx->sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (socket)
		socket->binding = fresh.binding;
}

SEC("cgroup/bind4")
int orb8_bind4(struct bpf_sock_addr *ctx)
{
	mark_bind(ctx);
	return ALLOW;
}

SEC("cgroup/bind6")
int orb8_bind6(struct bpf_sock_addr *ctx)
{
	mark_bind(ctx);
	return ALLOW;
}

/* These run before those of cgroups above, which may put a backend in the place of a Service. They only look. */
static __always_inline void watch_connect(struct bpf_sock_addr *ctx, int v6)
{
	struct dialled d;

	if (!ctx->sk)
		return;
	read_dialled(&d, ctx, v6);
	if (ctx->protocol == IPPROTO_TCP)
		dial_connection(ctx->sk, &d);
	else if (ctx->protocol == IPPROTO_UDP)
		dial_datagrams(ctx->sk, &d);
}

SEC("cgroup/connect4")
int orb8_connect4(struct bpf_sock_addr *ctx)
{
	watch_connect(ctx, 0);
	return ALLOW;
}

SEC("cgroup/connect6")
int orb8_connect6(struct bpf_sock_addr *ctx)
{
	watch_connect(ctx, 1);
	return ALLOW;
}

SEC("cgroup/sendmsg4")
int orb8_sendmsg4(struct bpf_sock_addr *ctx)
{
	dial_datagram(ctx, 0);
	return ALLOW;
}

SEC("cgroup/sendmsg6")
int orb8_sendmsg6(struct bpf_sock_addr *ctx)
{
	dial_datagram(ctx, 1);
	return ALLOW;
}

/* Runs for applications' sockets only: the kernel's own, which answer pings, stay without storage. */
SEC("cgroup/sock_create")
int orb8_sock_create(struct bpf_sock *ctx)
{
	if (ctx->type == SOCK_RAW || ctx->protocol == IPPROTO_ICMP || ctx->protocol == IPPROTO_ICMPV6)
		bpf_sk_storage_get(&datagram_sockets, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	return ALLOW;
}
