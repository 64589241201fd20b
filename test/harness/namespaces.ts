// Network namespaces of the test's own, wired by veth pairs, gone at its end. Nothing sent there leaves them.
import { existsSync, readdirSync } from 'node:fs'
import { run, works } from './child.ts'
import type { Undo } from './undo.ts'

const NAMED = '/run/netns'
const PREFIX = 'o8-'

export class Namespace {
  readonly name: string
  readonly path: string

  constructor(name: string) {
    this.name = name
    this.path = `${NAMED}/${name}`
  }

  /** Runs a command inside. */
  run(command: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.name, command, ...args)
  }

  sysctl(name: string, value: string): void {
    this.run('sysctl', '-q', '-w', `${name}=${value}`)
  }

  /** An address of its own, on loopback where no device is named. */
  address(cidr: string, device = 'lo'): void {
    run('ip', '-n', this.name, 'address', 'add', cidr, 'dev', device, ...(cidr.includes(':') ? ['nodad'] : []))
  }

  /** Takes the name away; the namespace lives on while a process or a socket is in it. */
  forget(): void {
    if (existsSync(this.path)) run('ip', 'netns', 'del', this.name)
  }
}

/** Of 20 ms each. */
const UP_TRIES = 500

let made = 0

export function makeNamespace(undo: Undo, name: string): Namespace {
  const namespace = new Namespace(`${PREFIX}${process.pid}-${++made}${name}`)
  run('ip', 'netns', 'add', namespace.name)
  undo.add({ gently: () => namespace.forget(), atOnce: () => namespace.forget() })
  run('ip', '-n', namespace.name, 'link', 'set', 'lo', 'up')
  return namespace
}

/** A veth pair, `one` in a and `two` in b, with an address at each end for every pair of addresses. Both ends are up when it returns. */
export function wire(a: Namespace, b: Namespace, addresses: readonly (readonly [string, string])[], [one, two] = ['v0', 'v1']): void {
  run('ip', '-n', a.name, 'link', 'add', one, 'type', 'veth', 'peer', 'name', two, 'netns', b.name)
  for (const [own, other] of addresses) {
    a.address(own, one)
    b.address(other, two)
  }
  a.sysctl(`net.ipv6.conf.${one}.accept_dad`, '0')
  b.sysctl(`net.ipv6.conf.${two}.accept_dad`, '0')
  run('ip', '-n', a.name, 'link', 'set', one, 'up')
  run('ip', '-n', b.name, 'link', 'set', two, 'up')
  for (let i = 0; !isUp(a, one) || !isUp(b, two); i++) {
    if (i === UP_TRIES) throw new Error(`${one} and ${two} never came up`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  }
}

/** The kernel looks at carriers once a second; IPv6 does nothing on a device before. */
function isUp({ name }: Namespace, device: string): boolean {
  const [link] = JSON.parse(run('ip', '-n', name, '-j', 'address', 'show', 'dev', device)) as {
    operstate: string
    addr_info: { tentative?: true; scope: string }[]
  }[]
  return (
    link?.operstate === 'UP' && link.addr_info.some(({ scope }) => scope === 'link') && link.addr_info.every(({ tentative }) => !tentative)
  )
}

/** Of this process. */
export function namespacesLeft(): string[] {
  return existsSync(NAMED) ? readdirSync(NAMED).filter((name) => name.startsWith(`${PREFIX}${process.pid}-`)) : []
}

export function has(command: string): boolean {
  return works('sh', '-c', `command -v ${command}`)
}
