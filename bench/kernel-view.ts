// What the kernel tells of a process' programs and maps, by bpftool. Knows bpftool's JSON; nothing of what programs do.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { run } from '../test/harness/child.ts'

interface Listed {
  readonly id: number
  readonly name?: string
  readonly run_time_ns?: number
  readonly run_cnt?: number
}

export interface Runs {
  readonly ns: number
  readonly count: number
}

const STATS = '/proc/sys/kernel/bpf_stats_enabled'

/** Counts runs and time of every program while `body` runs; leaves the setting as it was. */
export async function withStats<T>(body: () => Promise<T>): Promise<T> {
  const before = readFileSync(STATS, 'utf8')
  const restore = (): void => writeFileSync(STATS, before)
  process.once('exit', restore)
  writeFileSync(STATS, '1')
  try {
    return await body()
  } finally {
    restore()
    process.off('exit', restore)
  }
}

function list(kind: 'prog' | 'map'): readonly Listed[] {
  return JSON.parse(run('bpftool', kind, 'list', '-j')) as Listed[]
}

/** Ids of what the process has open; not every bpftool can tell who holds what. */
function heldBy(pid: number, kind: 'prog' | 'map'): ReadonlySet<number> {
  const folder = `/proc/${pid}/fdinfo`
  const infos = readdirSync(folder).map((fd) => readIfThere(`${folder}/${fd}`))
  return new Set(infos.map((info) => Number(new RegExp(`^${kind}_id:\\s+(\\d+)`, 'm').exec(info)?.[1])))
}

/** Files close while they are listed. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

export function runsOf(pid: number): Map<string, Runs> {
  const held = heldBy(pid, 'prog')
  const programs = list('prog').filter(({ id }) => held.has(id))
  return new Map(programs.map(({ name = '', run_time_ns = 0, run_cnt = 0 }) => [name, { ns: run_time_ns, count: run_cnt }]))
}

/** Programs of exporters other than these: they would be measured as well. */
export function strangers(...pids: readonly number[]): readonly string[] {
  const held = new Set(pids.flatMap((pid) => [...heldBy(pid, 'prog')]))
  const others = list('prog').filter(({ id, name }) => name?.startsWith('orb8_') && !held.has(id))
  return others.map(({ id, name }) => `${id} ${name}`)
}

/** The exporter looks for older connections at every TCP packet in its first ten minutes: this ends or begins that at once. */
export function setAdopting(pid: number, on: boolean): void {
  const held = heldBy(pid, 'map')
  const control = list('map').find(({ id, name }) => held.has(id) && name === '.data.control')
  if (control === undefined) throw new Error(`process ${pid} has no control map`)
  const value = [on ? '1' : '0', '0', '0', '0', '0', '0', '0', '0']
  run('bpftool', 'map', 'update', 'id', String(control.id), 'key', '0', '0', '0', '0', 'value', ...value)
}
