/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The maps of health and the ways into them. Knows keys, reasons and times; nothing of how they are found. */
#ifndef ORB8_HEALTH_H
#define ORB8_HEALTH_H

#include "flow.h"

struct health_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, struct flow_key);
	__type(value, struct health);
};

/* In pairs, as the flow maps are; names that still differ after 15 letters. */
struct health_map health_a SEC(".maps");
struct health_map health_b SEC(".maps");
struct health_map health_spill_a SEC(".maps");
struct health_map health_spill_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct health_map);
} health SEC(".maps") = {.values = {[0] = &health_a}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct health_map);
} health_spill SEC(".maps") = {.values = {[0] = &health_spill_a}};

/* What not even the spill map had room for. Only ever added to. */
struct health node_health SEC(".data.node_health");

/* A new entry is made from it: 144 bytes do not fit on every program's stack. */
const struct health no_health SEC(".rodata.no_health") = {};

/* The key's entry, made where it is missing; 0 where there is no room. */
static __always_inline struct health *entry_of(void *map, const struct flow_key *key)
{
	struct health *found = bpf_map_lookup_elem(map, key);

	if (found)
		return found;
	bpf_map_update_elem(map, key, &no_health, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

static __noinline struct health *spill_of(const struct flow_key *key)
{
	struct flow_key folded = {};
	struct health *found = 0;
	__u32 zero = 0;
	void *map;

	if (!key)
		return &node_health;
	__sync_fetch_and_add(&totals.overflow_health, 1);
	folded.cgroup = key->cgroup;
	folded.protocol = key->protocol;
	folded.peer = PEER_OVERFLOW;
	map = bpf_map_lookup_elem(&health_spill, &zero);
	if (map)
		found = entry_of(map, &folded);
	return found ?: &node_health;
}

/* Never 0: nothing that was seen is lost. */
static __always_inline struct health *health_of(const struct flow_key *key)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&health, &zero);
	struct health *found = map ? entry_of(map, key) : 0;

	return found ?: spill_of(key);
}

/* 5.15's verifier forgets bounds of what is spilled: they are set anew where an index is used, out of the compiler's sight. */
#define BOUND(index, mask) asm volatile("%0 &= %1" : "+r"(index) : "i"(mask))

static __always_inline void count_failure(const struct flow_key *key, enum failure why)
{
	struct health *h = health_of(key);
	__u64 index = why;

	BOUND(index, 7);
	__sync_fetch_and_add(h->failed + index, 1);
}

/* How many of the bounds 16, 64, 256... are below. */
static __always_inline __u32 bucket_of(__u32 us)
{
	__u32 rest = us ? (us - 1) >> 4 : 0, bucket = 0;

	if (rest >> 16) {
		bucket += 8;
		rest >>= 16;
	}
	if (rest >> 8) {
		bucket += 4;
		rest >>= 8;
	}
	if (rest >> 4) {
		bucket += 2;
		rest >>= 4;
	}
	if (rest >> 2) {
		bucket += 1;
		rest >>= 2;
	}
	bucket += rest != 0;
	return bucket < TIME_BUCKETS ? bucket : TIME_BUCKETS - 1;
}

static __always_inline void count_time(__u32 *buckets, __u64 *sum, __u32 us)
{
	__u64 bucket = bucket_of(us);

	BOUND(bucket, 15);
	__sync_fetch_and_add(buckets + bucket, 1);
	__sync_fetch_and_add(sum, us);
}

/* Microseconds; 0 where there is none. */
static __always_inline void count_times(const struct flow_key *key, __u32 rtt, __u32 connect)
{
	struct health *h;

	if (!rtt && !connect)
		return;
	h = health_of(key);
	if (rtt)
		count_time(h->rtt, &h->rtt_sum_us, rtt);
	if (connect)
		count_time(h->connect, &h->connect_sum_us, connect);
}

#endif
