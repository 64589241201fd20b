/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The flow maps and the one way into them. Knows keys and counts; nothing of TCP or of packets. */
#ifndef ORB8_FLOW_H
#define ORB8_FLOW_H

#include "kernel.h"
#include "layout.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flow_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, struct flow_key);
	__type(value, struct flow_counts);
};

/* User space drains one of a pair while the programs fill the other, and swaps them in the outer map. */
struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");
struct flow_map overflow_a SEC(".maps");
struct flow_map overflow_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_map);
} flows SEC(".maps") = {.values = {[0] = &flows_a}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_map);
} overflow SEC(".maps") = {.values = {[0] = &overflow_a}};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct prefix_rule);
} prefixes SEC(".maps");

struct totals totals SEC(".data.totals");
struct control control SEC(".data.control");

/* Has nobody read for so long that nobody is likely to? `now`: CLOCK_MONOTONIC, which tracing programs know only the exact way. */
static __always_inline int is_abandoned(__u64 now)
{
	return control.patience && (__s64)(now - control.heartbeat) > (__s64)control.patience;
}

static __always_inline void add_counts(struct flow_counts *into, const struct flow_counts *more)
{
	if (more->sent_bytes)
		__sync_fetch_and_add(&into->sent_bytes, more->sent_bytes);
	if (more->received_bytes)
		__sync_fetch_and_add(&into->received_bytes, more->received_bytes);
	if (more->sent_packets)
		__sync_fetch_and_add(&into->sent_packets, more->sent_packets);
	if (more->received_packets)
		__sync_fetch_and_add(&into->received_packets, more->received_packets);
	if (more->opened)
		__sync_fetch_and_add(&into->opened, more->opened);
	if (more->adopted)
		__sync_fetch_and_add(&into->adopted, more->adopted);
	if (more->closed)
		__sync_fetch_and_add(&into->closed, more->closed);
	if (more->retransmitted)
		__sync_fetch_and_add(&into->retransmitted, more->retransmitted);
}

/* 1 where the map took it, 0 where it has no room. */
static __always_inline int add_to(void *map, const struct flow_key *key, const struct flow_counts *counts)
{
	struct flow_counts *found = bpf_map_lookup_elem(map, key);

	if (!found) {
		if (bpf_map_update_elem(map, key, counts, BPF_NOEXIST) == 0)
			return 1;
		found = bpf_map_lookup_elem(map, key); /* another CPU was first, or the map is full */
		if (!found)
			return 0;
	}
	add_counts(found, counts);
	return 1;
}

static __noinline int count_overflow(const struct flow_key *key, const struct flow_counts *counts)
{
	struct flow_key folded = {};
	__u32 zero = 0;
	void *map;

	if (!key || !counts)
		return 0;
	__sync_fetch_and_add(&totals.overflow_flows, 1);
	__sync_fetch_and_add(&totals.overflow_bytes, counts->sent_bytes + counts->received_bytes);
	folded.cgroup = key->cgroup;
	folded.protocol = key->protocol;
	folded.peer = PEER_OVERFLOW;
	folded.epoch = key->epoch;
	map = bpf_map_lookup_elem(&overflow, &zero);
	if (!map || !add_to(map, &folded, counts))
		add_counts(&totals.node_overflow, counts);
	return 0;
}

static __always_inline void count_flow(const struct flow_key *key, const struct flow_counts *counts)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&flows, &zero);

	if (!map || !add_to(map, key, counts))
		count_overflow(key, counts);
}

#define MAPPED_WORD bpf_htonl(0x0000ffff)

static __always_inline void set_ipv4(__u32 *address, __u32 ipv4)
{
	address[0] = 0;
	address[1] = 0;
	address[2] = MAPPED_WORD;
	address[3] = ipv4;
}

static __always_inline void set_ipv6(__u32 *address, const __u32 *ipv6)
{
	address[0] = ipv6[0];
	address[1] = ipv6[1];
	address[2] = ipv6[2];
	address[3] = ipv6[3];
}

static __always_inline int in_ipv4(__u32 address, __u32 network, int bits)
{
	return ((bpf_ntohl(address) ^ network) >> (32 - bits)) == 0;
}

static __always_inline int is_mapped(const __u32 *address)
{
	return address[0] == 0 && address[1] == 0 && address[2] == MAPPED_WORD;
}

static __always_inline int is_loopback(const __u32 *address)
{
	if (is_mapped(address))
		return in_ipv4(address[3], 0x7f000000, 8);
	return (address[0] | address[1] | address[2]) == 0 && address[3] == bpf_htonl(1);
}

/* Private, carrier-grade, link-local, unique-local: kept whole, since a new pod's first flows come before its name. */
static __always_inline int is_private(const __u32 *address)
{
	if (is_mapped(address))
		return in_ipv4(address[3], 0x0a000000, 8) || in_ipv4(address[3], 0xac100000, 12) ||
		       in_ipv4(address[3], 0xc0a80000, 16) || in_ipv4(address[3], 0x64400000, 10) ||
		       in_ipv4(address[3], 0xa9fe0000, 16);
	return (address[0] & bpf_htonl(0xfe000000)) == bpf_htonl(0xfc000000) ||
	       (address[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Takes key->local and key->remote as they are and leaves key->remote and key->peer bounded. */
static __always_inline void fold_remote(struct flow_key *key)
{
	int own = key->local[0] == key->remote[0] && key->local[1] == key->remote[1] && key->local[2] == key->remote[2] &&
		  key->local[3] == key->remote[3];
	__u32 network = 0;

	if (own || is_loopback(key->remote)) {
		key->peer = PEER_LOOPBACK;
		if (is_loopback(key->local))
			__builtin_memset(key->local, 0, sizeof(key->local)); /* 127/8 is wide */
	} else {
		struct prefix at = {.bits = 128};
		struct prefix_rule *rule;

		if (is_private(key->remote))
			return;
		__builtin_memcpy(at.address, key->remote, sizeof(at.address));
		rule = bpf_map_lookup_elem(&prefixes, &at);
		if (rule && rule->peer == PEER_ADDRESS)
			return;
		key->peer = rule ? PEER_NETWORK : PEER_EXTERNAL;
		network = rule ? rule->network : 0;
	}
	__builtin_memset(key->remote, 0, sizeof(key->remote));
	key->remote[3] = network;
}

#endif
