/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Every struct that crosses to user space. src/kernel/layouts.ts is generated from what the compiler made of them. */
#ifndef ORB8_LAYOUT_H
#define ORB8_LAYOUT_H

/* What is known of the remote end. */
enum peer {
	PEER_ADDRESS = 0,  /* remote holds it whole */
	PEER_LOOPBACK = 1, /* the socket's own address; remote is zero */
	PEER_EXTERNAL = 2, /* public, in no learnt prefix; remote is zero */
	PEER_NETWORK = 3,  /* inside a named network; remote[3] is its number */
	PEER_OVERFLOW = 4, /* the flow map was full: only cgroup and protocol are kept */
	PEER_NONE = 5,	   /* of the socket alone, whoever is at the other end: local and remote are zero */
};

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

/* Addresses are IPv6 in network byte order, IPv4 mapped. Every byte is set: the whole struct is hashed. */
struct flow_key {
	__u64 cgroup;
	__u32 local[4];
	__u32 remote[4];
	__u16 port; /* the server's, host byte order; 0 where there is none */
	__u8 protocol;
	__u8 role;
	__u8 peer;
	__u8 epoch; /* of TCP: control.epoch when it was counted */
	__u8 pad[2];
};
_Static_assert(sizeof(struct flow_key) == 48, "flow_key has no hidden padding");

/* What a flow did since the map was last drained. Bytes are signed: see docs/decisions/0001. */
struct flow_counts {
	__s64 sent_bytes;
	__s64 received_bytes;
	__u64 sent_packets;
	__u64 received_packets;
	__u64 opened;
	__u64 adopted;
	__u64 closed;
	__u64 retransmitted;
};
_Static_assert(sizeof(struct flow_counts) == 64, "flow_counts is eight words");

/* Why an attempt to connect came to nothing. */
enum failure {
	FAILED_REFUSED = 0,
	FAILED_TIMEOUT = 1,
	FAILED_UNREACHABLE = 2,
	FAILED_RESET = 3,
	FAILED_ABORTED = 4, /* by its owner */
	FAILED_OTHER = 5,
	FAILURES = 6,
};

/* Upper bounds are 16 us * 4^k, inclusive; the last bucket has the rest. */
#define TIME_BUCKETS 12

/* What was seen of a flow's health since the map was last drained. A bucket has what is in no smaller one. Failures and times are
 * under the key of their flow, listen_overflows and receive_drops under a key with PEER_NONE. */
struct health {
	__u32 failed[FAILURES];
	__u32 rtt[TIME_BUCKETS];
	__u32 connect[TIME_BUCKETS];
	__u32 listen_overflows;
	__u32 receive_drops;
	__u64 rtt_sum_us;
	__u64 connect_sum_us;
};
_Static_assert(sizeof(struct health) == 144, "health has no hidden padding");

/* A prefix of the trie. */
struct prefix {
	__u32 bits;
	__u32 address[4];
};
_Static_assert(sizeof(struct prefix) == 20, "prefix is a trie key");

/* What becomes of a public address inside a prefix: kept whole (PEER_ADDRESS), or only the network's number (PEER_NETWORK). */
struct prefix_rule {
	enum peer peer;
	__u32 network;
};
_Static_assert(sizeof(struct prefix_rule) == 8, "prefix_rule");

/* Where the storage of an earlier build's connections has what we go on with: byte offsets, ABSENT where it has no such field. */
#define ABSENT 0xffffffff
struct old_connection {
	__u32 lock;
	__u32 phase; /* its values have the same meaning in all builds */
	__u32 birth; /* so have these */
	__u32 adopted;
	__u32 role; /* and these */
	__u32 sent;
	__u32 received;
	__u32 segments_out;
	__u32 segments_in;
	__u32 retransmitted;
	__u32 sequence_base;
	__u32 connect_us;
	__u32 dialled_address;
	__u32 dialled_port;
	__u32 port; /* in its key */
};

/* Fixed before loading. */
struct settings {
	__u64 sockets;	   /* most TCP sockets watched at once */
	__u32 taking_over; /* 1: connections of an earlier build are taken over, as old says */
	struct old_connection old;
};
_Static_assert(sizeof(struct settings) == 72, "settings");

/* Written by user space while the programs run. Times are CLOCK_MONOTONIC, ns. */
struct control {
	__u64 adopt_until; /* until then a TCP socket without storage is taken up at its next packet */
	__u64 heartbeat;   /* when somebody last read */
	__u64 patience;	   /* so long after the heartbeat the programs go on; 0: for ever */
	__u32 epoch;	   /* user space has begun at 0 so often, mod 256: see take_news */
	__u32 dials;	   /* 1: what unconnected datagrams are sent to is in `sending` */
};
_Static_assert(sizeof(struct control) == 32, "control");

/* Written by the programs, only ever added to. */
struct totals {
	__s64 tracked; /* sockets with storage now */
	__u64 untracked_limit;
	__u64 untracked_memory;
	__u64 overflow_flows;
	__u64 overflow_bytes;
	struct flow_counts node_overflow; /* what not even the overflow map had room for */
	__u64 overflow_health;		  /* times that the map of health had no room */
};
_Static_assert(sizeof(struct totals) == 112, "totals");

#endif
