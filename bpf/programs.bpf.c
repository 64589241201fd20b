// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Which programs the kernel holds, for a loader that may not ask by their numbers: that takes CAP_SYS_ADMIN.
#include "kernel.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Writes the number of each program, four bytes. */
SEC("iter/bpf_prog")
int orb8_programs(struct bpf_iter__bpf_prog *context)
{
	struct bpf_prog *program = context->prog;
	__u32 id;

	if (!program)
		return 0;
	id = program->aux->id;
	bpf_seq_write(context->meta->seq, &id, sizeof(id));
	return 0;
}
