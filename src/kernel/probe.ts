// What diagnose asks of the kernel: would each program load here?
import { tryPrograms } from './object.ts'

export interface ProgramProbe {
  readonly program: string
  readonly ok: boolean
  /** The verifier's last words, empty where ok. */
  readonly reason: string
  readonly remedy: string
}

/** A trial load of each program of the socket datapath. Throws KernelError where libbpf or the object file is missing. */
export async function probePrograms(): Promise<readonly ProgramProbe[]> {
  return [...tryPrograms()].map(([program, refusal]) => ({
    program,
    ok: refusal === undefined,
    reason: refusal?.reason ?? '',
    remedy: refusal?.remedy ?? '',
  }))
}
