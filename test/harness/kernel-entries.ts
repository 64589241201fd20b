// What stands in an exporter's maps in the kernel, by cgroup. Knows bpftool and where a flow key has its cgroup.
import { readdirSync, readFileSync } from 'node:fs'
import { FLOW_KEY } from '../../src/kernel/layouts.ts'
import { run } from './child.ts'

interface Listed {
  readonly id: number
  readonly type: string
  readonly bytes_key: number
}

/** Cgroup ids of all entries in the process' maps that are keyed by flows, one for each entry. */
export function cgroupsInMaps(pid: number): bigint[] {
  const held = mapsOf(pid)
  const maps = (JSON.parse(run('bpftool', '-j', 'map', 'list')) as Listed[]).filter(
    ({ id, type, bytes_key: bytes }) => held.has(id) && type === 'hash' && bytes === FLOW_KEY.size,
  )
  return maps.flatMap(({ id }) => {
    const entries = JSON.parse(run('bpftool', '-j', 'map', 'dump', 'id', String(id))) as { key: string[] }[]
    return entries.map(({ key }) => Buffer.from(key.map(Number)).readBigUInt64LE(FLOW_KEY.cgroup))
  })
}

function mapsOf(pid: number): ReadonlySet<number> {
  const folder = `/proc/${pid}/fdinfo`
  const infos = readdirSync(folder).map((fd) => readIfThere(`${folder}/${fd}`))
  return new Set(infos.flatMap((info) => [...info.matchAll(/^map_id:\s+(\d+)/gm)].map(([, id]) => Number(id))))
}

/** Files close while they are listed. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
