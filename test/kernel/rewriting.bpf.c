// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A socket load balancer for the tests: puts a backend in the place of a Service before the kernel sees the address.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* IPv4 is mapped; ports in network byte order. */
struct end {
	__u32 address[4];
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct end);
	__type(value, struct end);
} services SEC(".maps");

static __always_inline int rewrite4(struct bpf_sock_addr *ctx)
{
	struct end service = {.address = {0, 0, bpf_htonl(0xffff), ctx->user_ip4}, .port = ctx->user_port};
	struct end *backend = bpf_map_lookup_elem(&services, &service);

	if (backend) {
		ctx->user_ip4 = backend->address[3];
		ctx->user_port = backend->port;
	}
	return 1;
}

static __always_inline int rewrite6(struct bpf_sock_addr *ctx)
{
	struct end service = {.port = ctx->user_port};
	struct end *backend;

	for (int i = 0; i < 4; i++)
		service.address[i] = ctx->user_ip6[i];
	backend = bpf_map_lookup_elem(&services, &service);
	if (backend) {
		ctx->user_ip6[0] = backend->address[0];
		ctx->user_ip6[1] = backend->address[1];
		ctx->user_ip6[2] = backend->address[2];
		ctx->user_ip6[3] = backend->address[3];
		ctx->user_port = backend->port;
	}
	return 1;
}

SEC("cgroup/connect4")
int rewrite_connect4(struct bpf_sock_addr *ctx)
{
	return rewrite4(ctx);
}

SEC("cgroup/connect6")
int rewrite_connect6(struct bpf_sock_addr *ctx)
{
	return rewrite6(ctx);
}

SEC("cgroup/sendmsg4")
int rewrite_sendmsg4(struct bpf_sock_addr *ctx)
{
	return rewrite4(ctx);
}

SEC("cgroup/sendmsg6")
int rewrite_sendmsg6(struct bpf_sock_addr *ctx)
{
	return rewrite6(ctx);
}
