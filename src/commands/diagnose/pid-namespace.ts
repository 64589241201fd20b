// Can this process see every process of the host, and so the sockets that were open before it?
import { readlink } from 'node:fs/promises'
import type { Check } from './check.ts'

/** PROC_PID_INIT_INO of the kernel: the namespace that every other is inside. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

export function pidNamespace(link: string = '/proc/self/ns/pid'): Check {
  return {
    name: 'pid_namespace',
    run: async () => {
      const found = await readlink(link)
      if (found === FIRST_PID_NAMESPACE) return [{ check: 'pid_namespace', status: 'ok', found: "the host's", remedy: '' }]
      const remedy = "connections open before the start are adopted at their next packet only: share the host's (Kubernetes hostPID: true)"
      return [{ check: 'pid_namespace', status: 'warn', found: `its own, ${found}`, remedy }]
    },
  }
}
