// A socket load balancer at the root of the emulated machine's cgroups. Knows the exporter's own way to libbpf; nothing of what is counted.
import { join } from 'node:path'

const OBJECT = 'rewriting.bpf.o'
const CGROUP_ROOT = '/sys/fs/cgroup'

/** An address as words of IPv6, and a port. */
export interface End {
  readonly words: readonly [number, number, number, number]
  readonly port: number
}

export const v4 = (address: number, port: number): End => ({ words: [0, 0, 0xffff, address], port })

function encode({ words, port }: End): Buffer {
  const end = Buffer.alloc(20)
  for (const [at, word] of words.entries()) end.writeUInt32BE(word, 4 * at)
  end.writeUInt16BE(port, 16)
  return end
}

const built = <T>(file: string): Promise<T> => import(join(process.cwd(), 'dist', 'kernel', file)) as Promise<T>

/** Runs until the process ends. Answers what puts a backend in the place of a Service. */
export async function startBalancer(): Promise<(service: End, backend: End) => void> {
  const { loadObject } = await built<typeof import('../../src/kernel/object.ts')>('object.js')
  const { Links } = await built<typeof import('../../src/kernel/attach.ts')>('attach.js')
  const { putEntry } = await built<typeof import('../../src/kernel/maps.ts')>('maps.js')
  const object = loadObject(join(process.cwd(), OBJECT), { entries: {}, values: {} })
  const links = new Links()
  for (const [name, program] of object.programs()) links.attachToCgroup(name, program, CGROUP_ROOT)
  return (service, backend) => putEntry(object.fd('services'), encode(service), encode(backend))
}
