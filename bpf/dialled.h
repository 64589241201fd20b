/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The address that an application asked for, where a program of a cgroup above may put another in its place before the kernel sees
 * it. Knows addresses and the hooks that show them; nothing of sockets. */
#ifndef ORB8_DIALLED_H
#define ORB8_DIALLED_H

#include "flow.h"

struct dialled {
	__u32 address[4];
	__u16 port; /* host byte order; 0: nothing that would name the peer better than the socket does */
	__u16 pad;
};

/* The kernel makes loopback of it. */
static __always_inline int is_unspecified(const __u32 *address)
{
	return (address[0] | address[1] | address[3]) == 0 && (address[2] == 0 || address[2] == MAPPED_WORD);
}

/* Loopback is not kept: what is dialled there and goes elsewhere is no loopback. */
static __always_inline void read_dialled(struct dialled *d, struct bpf_sock_addr *ctx, int v6)
{
	if (v6)
		for (int i = 0; i < 4; i++)
			d->address[i] = ctx->user_ip6[i];
	else
		set_ipv4(d->address, ctx->user_ip4);
	d->port = is_unspecified(d->address) || is_loopback(d->address) ? 0 : bpf_ntohs(ctx->user_port);
	d->pad = 0;
}

static __always_inline void set_remote(struct flow_key *key, const struct dialled *d)
{
	if (d && d->port)
		set_ipv6(key->remote, d->address);
}

#endif
