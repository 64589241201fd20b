// Tries by bpf(2) what the half without capabilities must not be able to do, on the pins in the first argument and the cgroup directory
// in the second, and prints how each attempt ended: an errno's name, or `done`. What it attaches goes with it.
import { openSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'

// linux/bpf.h
const CMD = {
  MAP_CREATE: 0,
  PROG_LOAD: 5,
  OBJ_PIN: 6,
  OBJ_GET: 7,
  PROG_ATTACH: 8,
  RAW_TRACEPOINT_OPEN: 17,
  LINK_CREATE: 28,
  LINK_UPDATE: 29,
  LINK_DETACH: 34,
} as const
const BPF_F_RDONLY = 8
const SOCKET_FILTER = 1
const ARRAY = 2
const ALLOW_MULTI = 2
const ITERATOR = 28
/** Attach types of the programs on cgroups. */
const ON_CGROUPS: Readonly<Record<string, number>> = {
  orb8_ingress: 0,
  orb8_egress: 1,
  orb8_sock_create: 2,
  orb8_tcp_events: 3,
  orb8_bind4: 8,
  orb8_bind6: 9,
}

const ATTR_BYTES = 128
const NUMBER = { x64: 321, arm64: 280 }[process.arch as string] ?? -1
const syscall = koffi.load(null).func('long syscall(long number, long command, void *attr, long size)')
const kept: Buffer[] = []

/** A descriptor or 0, or a negative errno. `words` are u32 by their offset; a Buffer or a text is passed by its address. */
function bpf(command: number, words: Readonly<Record<number, number | Buffer | string>>): number {
  const attr = Buffer.alloc(ATTR_BYTES)
  for (const [at, word] of Object.entries(words)) {
    if (typeof word === 'number') attr.writeUInt32LE(word, Number(at))
    else {
      const bytes = typeof word === 'string' ? Buffer.from(`${word}\0`) : word
      kept.push(bytes)
      attr.writeBigUInt64LE(koffi.address(bytes), Number(at))
    }
  }
  const result = Number(syscall(NUMBER, command, attr, ATTR_BYTES))
  return result < 0 ? -koffi.errno() : result
}

const NAMES = new Map(Object.entries(constants.errno).map(([name, code]) => [-code, name]))
const ends: Record<string, string> = {}
function attempt(what: string, result: number): number {
  ends[what] = result < 0 ? (NAMES.get(result) ?? String(result)) : 'done'
  return result
}

const [pins = '', cgroup = ''] = process.argv.slice(2)
const directory = openSync(cgroup, 'r')
/** r0 = 0; exit */
const nothing = Buffer.from('b7000000000000009500000000000000', 'hex')

attempt('create a map', bpf(CMD.MAP_CREATE, { 0: ARRAY, 4: 4, 8: 8, 12: 1 }))
attempt('load a program', bpf(CMD.PROG_LOAD, { 0: SOCKET_FILTER, 4: 2, 8: nothing, 16: 'GPL' }))
for (const pin of readdirSync(pins)) {
  const [, kind, name = ''] = /^(link|program|about)_?(.*)$/.exec(pin) ?? []
  if (kind === undefined) continue
  const fd = attempt(`open ${pin}`, bpf(CMD.OBJ_GET, { 0: join(pins, pin) }))
  if (kind === 'program') attempt(`open ${pin} to read`, bpf(CMD.OBJ_GET, { 0: join(pins, pin), 12: BPF_F_RDONLY }))
  if (fd < 0 || kind === 'about') continue
  const type = ON_CGROUPS[name]
  if (kind === 'link') {
    attempt(`detach ${name}`, bpf(CMD.LINK_DETACH, { 0: fd }))
    continue
  }
  if (type === undefined) attempt(`attach ${name}`, bpf(CMD.RAW_TRACEPOINT_OPEN, { 8: fd }))
  else attempt(`attach ${name}`, bpf(CMD.PROG_ATTACH, { 0: directory, 4: fd, 8: type, 12: ALLOW_MULTI }))
  attempt(`link ${name}`, bpf(CMD.LINK_CREATE, { 0: fd, 4: directory, 8: type ?? ITERATOR }))
}
const map = bpf(CMD.OBJ_GET, { 0: join(pins, 'map_flows_a') })
attempt('open map_flows_a', map)
for (const name of ['connections', 'datagram_sockets', '_data_totals']) {
  attempt(`open map_${name}`, bpf(CMD.OBJ_GET, { 0: join(pins, `map_${name}`) }))
}
attempt('pin', bpf(CMD.OBJ_PIN, { 0: join(pins, 'map_mine'), 8: map }))
process.stdout.write(`${JSON.stringify(ends)}\n`)
