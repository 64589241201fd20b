/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Takes connections over from a build whose socket storage has another layout, while its programs still run beside ours: each is
 * counted by the one up to here and by the other from here on. Loaded with taking_over set for that moment only. */
#ifndef ORB8_TAKEOVER_H
#define ORB8_TAKEOVER_H

#include "connection.h"

/* In its place comes the map of the build that is replaced, with its own types: a value there is read by settings.old. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections_old SEC(".maps");

#define HAS(name) (settings.old.name != ABSENT)
#define OLD(type, name) (*(type *)(old + settings.old.name))
#define OLD_AT(type, name, index) (*(type *)(old + settings.old.name + (index) * sizeof(type)))

/* The old programs count nothing of a connection whose phase is CLOSED. The new storage is made before, as CLOSED too, and filled
 * under the old one's lock: whoever comes here afterwards finds it whole. What the old build had not told stays to be told; what it
 * had is told again as taken up, since the numbers begin at 0. A field that it did not have begins now. */
static __always_inline void take_over(struct sock *sk)
{
	struct connection blank = {.phase = CLOSED};
	struct connection *c;
	struct tcp_sock *tp;
	int taken = 0;
	void *old;

	if (!settings.taking_over)
		return;
	old = bpf_sk_storage_get(&connections_old, sk, 0, 0);
	if (!old || OLD(__u8, phase) == CLOSED || OLD(__u8, phase) == DIALLED)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	/* The key needs the socket's addresses, which stay, what was dialled, and its port, which is 0 at the end. */
	if (HAS(dialled_address) && HAS(dialled_port)) {
		for (int i = 0; i < 4; i++)
			blank.dialled.address[i] = OLD_AT(__u32, dialled_address, i);
		blank.dialled.port = OLD(__u16, dialled_port);
	}
	set_key(&blank.key, sk, OLD(__u8, role), &blank.dialled);
	if (blank.role == ROLE_SERVER || !blank.key.port)
		blank.key.port = OLD(__u16, port);
	c = bpf_sk_storage_get(&connections, sk, &blank, BPF_SK_STORAGE_GET_F_CREATE);
	if (!c) {
		__sync_fetch_and_add(&totals.untracked_memory, 1);
		return;
	}
	bpf_spin_lock(old + settings.old.lock);
	if (OLD(__u8, phase) != CLOSED && c->phase == CLOSED) {
		c->role = OLD(__u8, role);
		c->sent = OLD(__u64, sent);
		c->received = OLD(__u64, received);
		c->segments_out = OLD(__u32, segments_out);
		c->segments_in = OLD(__u32, segments_in);
		c->sequence_base = OLD(__u32, sequence_base);
		c->retransmitted = HAS(retransmitted) ? OLD(__u32, retransmitted) : tp->total_retrans;
		c->connect_us = HAS(connect_us) ? OLD(__u32, connect_us) : 0;
		c->adopted = OLD(__u8, birth) == TOLD || OLD(__u8, adopted);
		c->birth = NOT_TOLD;
		c->phase = OLD(__u8, phase);
		taken = 1;
	}
	OLD(__u8, phase) = CLOSED;
	bpf_spin_unlock(old + settings.old.lock);
	if (taken)
		__sync_fetch_and_add(&totals.tracked, 1);
}

#endif
