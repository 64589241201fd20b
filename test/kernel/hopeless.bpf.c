// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Nothing in here can be loaded.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup_skb/egress")
int orb8_broken(struct __sk_buff *skb)
{
	return *(__u32 *)(long)skb->data;
}
