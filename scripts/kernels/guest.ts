// Runs inside the emulated machine: known traffic, the exporter beside it, and a comparison of the two to the byte.
// Knows the exporter by its command and its metrics alone.
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { basename } from 'node:path'
import { type End, startBalancer, v4 } from './balancer.ts'
import { askUdp, bound, close, listen, open, ping, send, until } from './traffic.ts'

const CGROUPS = '/sys/fs/cgroup/orb8'
/** Above the pods: only there is seen what a balancer rewrites. */
const POD_CGROUPS = '/sys/fs/cgroup/kubepods'
const LISTEN = '127.0.0.1:9091'
/** Sockets are named within ten seconds of their first byte. */
const SETTLING_MS = 60_000
const SHORT_CONNECTIONS = 200
/** A datagram socket older than the exporter is a server where it named its port. */
const NAMED_PORT = 5353
/** Of the user who runs the half without capabilities. */
const NOBODY = 65_534
const PINS_GROUP = 54_321

let passed = 0
let failed = 0

function check(what: string, got: unknown, wanted: unknown): void {
  const ok = got === wanted
  if (ok) passed++
  else failed++
  console.log(ok ? `ok - ${what}: ${got}` : `not ok - ${what}: ${got}, not ${wanted}`)
}

/** Sockets made from here on belong to this cgroup. */
function enter(name: string, above: string = CGROUPS): string {
  mkdirSync(`${above}/${name}`, { recursive: true })
  writeFileSync(`${above}/${name}/cgroup.procs`, `${process.pid}`)
  return `/${basename(above)}/${name}`
}

interface Start {
  /** Runs the exporter. */
  readonly wrapper?: readonly string[]
  readonly settings?: readonly string[]
  readonly as?: Pick<SpawnOptions, 'uid' | 'gid'>
}

/** The exporter in a cgroup of its own. */
async function startExporter({ wrapper = [], settings = [], as = {} }: Start = {}): Promise<ChildProcess> {
  enter('exporter')
  const [command = '', ...args] = [...wrapper, process.execPath, 'dist/cli.js', 'export', '--listen', LISTEN, ...settings]
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...as })
  const ready = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`the exporter ended with ${child.exitCode}`)
    return fetch(`http://${LISTEN}/readyz`).then(
      (response) => response.ok,
      () => false,
    )
  }
  await until('the exporter', ready)
  return child
}

const scrape = async (): Promise<string> => (await fetch(`http://${LISTEN}/metrics`)).text()

/** Of all samples of this name that have these labels. */
function sum(page: string, name: string, labels: Readonly<Record<string, string | number>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)))
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

interface Expected {
  readonly workload: string
  readonly protocol: string
  readonly port: number
  /** Bytes from the client to the server, and back. */
  readonly up: number
  readonly down: number
  readonly roles: readonly ('client' | 'server')[]
  readonly opened?: number
  readonly closed?: number
  readonly open?: number
  readonly datagrams?: number
}

const expected: Expected[] = []

function compare(page: string): void {
  for (const { workload, protocol, port, up, down, roles, opened, closed, open, datagrams } of expected) {
    for (const role of roles) {
      const labels = { workload, protocol, port, role }
      const what = `${workload} ${protocol} ${role}`
      const flow = (direction: string, unit = 'bytes'): number => sum(page, `orb8_flow_${unit}_total`, { ...labels, direction })
      check(`${what}: bytes sent`, flow('egress'), role === 'client' ? up : down)
      check(`${what}: bytes received`, flow('ingress'), role === 'client' ? down : up)
      if (opened !== undefined) check(`${what}: opened`, sum(page, 'orb8_tcp_connections_opened_total', labels), opened)
      if (closed !== undefined) check(`${what}: closed`, sum(page, 'orb8_tcp_connections_closed_total', labels), closed)
      if (open !== undefined) check(`${what}: still open`, sum(page, 'orb8_active_flows', labels), open)
      if (datagrams === undefined) continue
      check(`${what}: datagrams sent`, flow('egress', 'packets'), datagrams)
      check(`${what}: datagrams received`, flow('ingress', 'packets'), datagrams)
    }
  }
}

const BOTH = ['client', 'server'] as const

async function tcp(name: string, host: string): Promise<void> {
  const workload = enter(name)
  const listener = await listen(host)
  const connection = await open(listener, host)
  await send(connection.client, connection.server, 1_000_003)
  await send(connection.server, connection.client, 500_001)
  await close(connection, 'client')
  listener.server.close()
  expected.push({
    workload,
    protocol: 'tcp',
    port: listener.port,
    up: 1_000_003,
    down: 500_001,
    roles: BOTH,
    opened: 1,
    closed: 1,
    open: 0,
  })
}

/** While scrapes walk all sockets without a pause. */
async function shortConnections(): Promise<void> {
  const workload = enter('short')
  const listener = await listen('127.0.0.1')
  let [up, down, walks, going] = [0, 0, 0, true]
  const walking = (async () => {
    for (; going; walks++) await scrape()
  })()
  for (let index = 0; index < SHORT_CONNECTIONS; index++) {
    const connection = await open(listener, '127.0.0.1')
    const size = 1 + ((index * 37) % 1400)
    await send(connection.client, connection.server, size)
    await send(connection.server, connection.client, 3 * size)
    up += size
    down += 3 * size
    await close(connection, (['client', 'server', 'reset'] as const)[index % 3] ?? 'client')
  }
  going = false
  await walking
  listener.server.close()
  console.log(`# ${SHORT_CONNECTIONS} short connections, ${walks} scrapes beside them`)
  const counts = { opened: SHORT_CONNECTIONS, closed: SHORT_CONNECTIONS, open: 0 }
  expected.push({ workload, protocol: 'tcp', port: listener.port, up, down, roles: BOTH, ...counts })
}

async function udp(type: 'udp4' | 'udp6', host: string, connected: boolean): Promise<void> {
  const workload = enter(`${type}-${connected ? 'connected' : 'unconnected'}`)
  const server = await bound(type, host)
  const { port } = server.address()
  const client = createSocket(type)
  if (connected) {
    client.connect(port, host)
    await once(client, 'connect')
  }
  const sizes = [0, 1, 700, 1400]
  await askUdp(client, server, sizes, connected ? undefined : [port, host])
  client.close()
  server.close()
  const bytes = sizes.reduce((total, size) => total + size)
  expected.push({ workload, protocol: 'udp', port, up: bytes, down: bytes, roles: BOTH, datagrams: sizes.length })
}

/** A Service that leads to this machine's loopback: the client's rows have its address's class and its port, the server's its own. */
async function services(balance: (service: End, backend: End) => void): Promise<void> {
  const dial = async (name: string, service: string, host: string, served: (port: number) => readonly [End, End]): Promise<void> => {
    const type = host.includes(':') ? 'udp6' : 'udp4'
    const workload = enter(name, POD_CGROUPS)
    const listener = await listen(host)
    const server = await bound(type, host)
    const at = server.address().port
    balance(...served(listener.port))
    const [to, backend] = served(at)
    balance({ ...to, port: 53 }, backend)
    const connection = await open({ server: listener.server, port: 80 }, service)
    await send(connection.client, connection.server, 10_007)
    await send(connection.server, connection.client, 501)
    await close(connection, 'client')
    listener.server.close()
    const counts = { up: 10_007, down: 501, opened: 1, closed: 1, open: 0 }
    expected.push({ workload, protocol: 'tcp', port: 80, roles: ['client'], ...counts })
    expected.push({ workload, protocol: 'tcp', port: listener.port, roles: ['server'], ...counts })
    for (const connected of [true, false]) {
      const client = createSocket(type)
      if (connected) {
        client.connect(53, service)
        await once(client, 'connect')
      }
      await askUdp(client, server, [700], connected ? undefined : [53, service])
      client.close()
    }
    server.close()
    for (const [port, role] of [
      [53, 'client'],
      [at, 'server'],
    ] as const) {
      expected.push({ workload, protocol: 'udp', port, up: 1400, down: 1400, roles: [role], datagrams: 2 })
    }
  }
  await dial('services4', '10.96.77.10', '127.0.0.1', (port) => [v4(0x0a604d0a, 80), v4(0x7f000001, port)])
  const words = [0xfd960000, 0, 0x00770000, 0x10] as const
  await dial('services6', 'fd96:0:0:0:77::10', '::1', (port) => [
    { words, port: 80 },
    { words: [0, 0, 0, 1], port },
  ])
}

async function pings(): Promise<void> {
  for (const protocol of ['icmp', 'icmp6'] as const) {
    const workload = enter(protocol)
    await ping(protocol, [56, 100])
    const [flow, labels] = ['orb8_flow_bytes_total', { workload, protocol }]
    later.push((page) => check(`${workload} bytes sent`, sum(page, flow, { ...labels, direction: 'egress' }), 156))
    later.push((page) => check(`${workload} bytes received`, sum(page, flow, { ...labels, direction: 'ingress' }), 156))
  }
}

const later: ((page: string) => void)[] = []

function checkPrograms(page: string): void {
  const programs = page.split('\n').filter((line) => line.startsWith('orb8_bpf_program_loaded{'))
  check('programs told of', programs.length > 0, true)
  for (const line of programs) check(line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1), '1')
}

async function stop(exporter: ChildProcess): Promise<void> {
  const ended = once(exporter, 'exit')
  exporter.kill('SIGTERM')
  await ended
}

/** The exporter with the host's PID namespace: it finds what was open by the files of all processes. */
async function wholeExporter(): Promise<void> {
  const workload = enter('before')
  const listener = await listen('127.0.0.1')
  const connection = await open(listener, '127.0.0.1')
  await send(connection.client, connection.server, 5000)
  await send(connection.server, connection.client, 6000)
  const udpServer = await bound('udp4', '127.0.0.1', NAMED_PORT)

  enter('first', POD_CGROUPS)
  const balance = await startBalancer()
  const exporter = await startExporter()
  await send(connection.client, connection.server, 12_345)
  await send(connection.server, connection.client, 54_321)
  await close(connection, 'client')
  listener.server.close()
  expected.push({ workload, protocol: 'tcp', port: listener.port, up: 12_345, down: 54_321, roles: BOTH, opened: 0, closed: 1, open: 0 })

  enter('asking')
  const client = createSocket('udp4')
  await askUdp(client, udpServer, [77], [NAMED_PORT, '127.0.0.1'])
  client.close()
  udpServer.close()
  expected.push({ workload, protocol: 'udp', port: NAMED_PORT, up: 77, down: 77, roles: ['server'], datagrams: 1 })

  await tcp('tcp4', '127.0.0.1')
  await tcp('tcp6', '::1')
  await udp('udp4', '127.0.0.1', true)
  await udp('udp4', '127.0.0.1', false)
  await udp('udp6', '::1', true)
  await udp('udp6', '::1', false)
  await services(balance)
  await pings()
  await shortConnections()

  enter('reader')
  await settled(['/orb8/short', '/orb8/icmp6'])
  const page = await scrape()
  for (const line of page.split('\n')) if (line.startsWith('orb8_')) console.log(line)
  checkPrograms(page)
  compare(page)
  for (const compareLater of later) compareLater(page)
  await stop(exporter)
  check('the exporter ended with', exporter.exitCode, 0)
}

/** Until the workloads have their names. */
async function settled(workloads: readonly string[]): Promise<void> {
  await until(
    `names ${workloads.join(' ')}`,
    async () => {
      const page = await scrape()
      return workloads.every((name) => page.includes(`workload="${name}"`))
    },
    SETTLING_MS,
  )
}

/** Loaded by root and read by a user of the pins' group without any capability, over a restart. */
async function twoHalves(): Promise<void> {
  const settings = ['--pin-path', '/sys/fs/bpf/orb8', '--pin-group', `${PINS_GROUP}`]
  const as = { uid: NOBODY, gid: PINS_GROUP }
  const orb8 = (word: string, options: SpawnOptions = {}): number | null =>
    spawnSync(process.execPath, ['dist/cli.js', word, ...settings], { stdio: 'inherit', ...options }).status
  const disabled = readFileSync('/proc/sys/kernel/unprivileged_bpf_disabled', 'utf8').trim()
  console.log(`# kernel.unprivileged_bpf_disabled is ${disabled}`)
  check('orb8 load as nobody ended with', orb8('load', as), 1)
  check('orb8 load ended with', orb8('load'), 0)
  expected.length = 0
  const first = await startExporter({ settings, as })
  const status = readFileSync(`/proc/${first.pid}/status`, 'utf8')
  check('capabilities in force', /^CapEff:\s*(\S+)$/m.exec(status)?.[1], '0000000000000000')
  const workload = enter('halves')
  const listener = await listen('127.0.0.1')
  const connection = await open(listener, '127.0.0.1')
  await send(connection.client, connection.server, 4000)
  await scrape()
  await stop(first)
  await send(connection.server, connection.client, 500)
  const second = await startExporter({ settings, as })
  await send(connection.client, connection.server, 3000)
  expected.push({ workload, protocol: 'tcp', port: listener.port, up: 7000, down: 500, roles: BOTH, opened: 1, closed: 0, open: 1 })
  await settled([workload])
  compare(await scrape())
  await close(connection, 'client')
  listener.server.close()
  await stop(second)
  check('orb8 unload ended with', orb8('unload'), 0)
}

/** In a PID namespace of its own it sees nobody's files: what was open is taken up at its next packet. */
async function blindExporter(): Promise<void> {
  const workload = enter('packets')
  expected.length = 0
  const listener = await listen('::1')
  const connection = await open(listener, '::1')
  await send(connection.client, connection.server, 5000)
  const exporter = await startExporter({ wrapper: ['unshare', '-p', '-f'] })
  await send(connection.client, connection.server, 2000)
  await send(connection.server, connection.client, 30_000)
  const page = await scrape()
  expected.push({ workload, protocol: 'tcp', port: listener.port, up: 2000, down: 30_000, roles: BOTH, opened: 0, closed: 0, open: 1 })
  compare(page)
  await close(connection, 'server')
  listener.server.close()
  exporter.kill() // the wrapper: the exporter itself ends with the machine
}

/** What a broken program or a broken kernel says. */
function checkKernelLog(): void {
  const log = spawnSync('dmesg', { encoding: 'utf8' }).stdout
  const bad = log
    .split('\n')
    .filter((line) => /BUG|WARNING|Oops|stall|lockup|while atomic|unable to handle|refcount_t|possible recursive/.test(line))
  for (const line of bad) console.log(line)
  check('warnings in the kernel log', bad.length, 0)
}

console.log(`# Linux ${release()} ${process.arch}, ${readFileSync('/proc/version', 'utf8').trim()}`)
spawnSync(process.execPath, ['dist/cli.js', 'diagnose'], { stdio: 'inherit' })
try {
  await wholeExporter()
  await twoHalves()
  await blindExporter()
} catch (error) {
  failed++
  console.log(`not ok - ${error instanceof Error ? error.stack : error}`)
}
checkKernelLog()
console.log(`${passed} passed, ${failed} failed`)
process.exit(0)
