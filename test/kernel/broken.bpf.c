// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The socket datapath with a program beside it that no verifier takes: it reads where it never looked.
#include "../../bpf/socket.bpf.c"

SEC("cgroup_skb/egress")
int orb8_broken(struct __sk_buff *skb)
{
	return *(__u32 *)(long)skb->data;
}
