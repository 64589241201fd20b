// What a test may leave behind on this machine: kernel objects, pins, namespaces, cgroups, devices, processes.
// Knows the names that this project uses, and leaves out what a living process of somebody else's holds. Removes nothing.
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** Names of what the tests make: network namespaces, devices, cgroups, tables. */
const OURS = /^(orb8|o8)/
/** What the kernel keeps of a name, without the closing zero. */
const KERNEL_NAME = 15

/** One line for each thing that is here now and bears a name of ours, or could. */
export function traces(): ReadonlySet<string> {
  return new Set([...kernelObjects(), ...mounts(), ...namespaces(), ...cgroups(), ...devices(), ...queues(), ...tables()])
}

/** Processes that descend from `session`'s leader or carry `mark` in their environment. */
export function processes(session: number, mark: string): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
        const [state, , , sessionOf] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const marked = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark)
        if (state === 'Z' || (Number(sessionOf) !== session && !marked)) return []
        return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }]
      } catch {
        return [] // gone meanwhile, or a kernel thread
      }
    })
}

interface KernelObject {
  readonly id: number
  readonly name?: string
  readonly prog_id?: number
}

function kernelObjects(): readonly string[] {
  const list = (kind: string): readonly KernelObject[] => query('bpftool', ['-j', kind, 'list']) as readonly KernelObject[]
  const programs = list('prog').filter(({ name }) => name?.startsWith('orb8_'))
  const ids = new Set(programs.map(({ id }) => id))
  const isOurMap = mapNames()
  const links = list('link').filter(({ prog_id }) => prog_id !== undefined && ids.has(prog_id))
  const maps = list('map').filter(({ name }) => name !== undefined && isOurMap(name))
  if (programs.length + links.length + maps.length === 0) return []
  const held = heldObjects()
  return [
    ...programs.map(({ id, name }) => [`prog_id ${id}`, `program ${id} ${name}`] as const),
    ...links.map(({ id, prog_id }) => [`link_id ${id}`, `link ${id} of program ${prog_id}`] as const),
    ...maps.map(({ id, name }) => [`map_id ${id}`, `map ${id} ${name}`] as const),
  ].flatMap(([key, text]) => (held.has(key) ? [] : [text]))
}

/** Programs, maps and links that some living process has open, such as `prog_id 12`. */
function heldObjects(): ReadonlySet<string> {
  const infos = globSync('/proc/[0-9]*/fd/*').flatMap((fd) => {
    try {
      return readlinkSync(fd).startsWith('anon_inode:bpf') ? [readFileSync(fd.replace('/fd/', '/fdinfo/'), 'latin1')] : []
    } catch {
      return [] // closed meanwhile
    }
  })
  return new Set(infos.flatMap((info) => [...info.matchAll(/^(prog_id|map_id|link_id):\s+(\d+)$/gm)].map(([, key, id]) => `${key} ${id}`)))
}

/** Is this a map of an object in bpf/? libbpf calls those of global variables after the object and the section. */
function mapNames(): (name: string) => boolean {
  const sources = globSync('bpf/*.[ch]')
  const declared = sources.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/(\w+) SEC\("\.maps"\)/g)].map((match) => match[1] ?? ''),
  )
  const names = new Set(declared.map((name) => name.slice(0, KERNEL_NAME)))
  const objects = sources.filter((path) => path.endsWith('.bpf.c')).map((path) => path.slice('bpf/'.length, -'.bpf.c'.length))
  const prefixes = objects.map((name) => `${`${name}_bpf`.slice(0, 8)}.`)
  return (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
}

/** Mounts of bpffs, and what is pinned there. */
function mounts(): readonly string[] {
  return ofType('bpf').flatMap((path) => [`bpffs at ${path}`, ...globSync('**/*', { cwd: path }).map((pin) => `pin ${path}/${pin}`)])
}

function ofType(type: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.split(' - ')[1]?.startsWith(`${type} `))
    .map((line) => line.split(' ')[4] ?? '')
}

/** Tests put their process' id first into names: who lives still uses his. */
function isInUse(name: string): boolean {
  const pid = /^(?:orb8|o8)\D*(\d+)/.exec(basename(name))?.[1]
  return pid !== undefined && existsSync(`/proc/${pid}`)
}

const namespaces = (): readonly string[] => named('/run/netns').map((name) => `network namespace ${name}`)
const devices = (): readonly string[] => named('/sys/class/net').map((name) => `network device ${name}`)

function cgroups(): readonly string[] {
  return ofType('cgroup2').flatMap((path) =>
    globSync(['**/orb8*', '**/o8*'], { cwd: path }).flatMap((name) => (isInUse(name) ? [] : [`cgroup ${path}/${name}`])),
  )
}

function named(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => OURS.test(name) && !isInUse(name))
  } catch {
    return [] // no namespace was ever made
  }
}

/** Queueing disciplines that somebody set. */
function queues(): readonly string[] {
  const all = query('tc', ['-j', 'qdisc', 'show']) as readonly { readonly kind: string; readonly dev: string }[]
  return all.filter(({ kind }) => ['clsact', 'ingress', 'netem', 'tbf'].includes(kind)).map(({ kind, dev }) => `qdisc ${kind} on ${dev}`)
}

function tables(): readonly string[] {
  const { nftables } = query('nft', ['-j', 'list', 'tables']) as { nftables: readonly { table?: { name: string } }[] }
  return nftables.flatMap(({ table }) => (table && OURS.test(table.name) ? [`nft table ${table.name}`] : []))
}

function query(tool: string, args: readonly string[]): unknown {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  // bpftool gives up where an object goes between being listed and being asked.
  for (let tries = 1; ; tries++) {
    try {
      return JSON.parse(execFileSync(tool, args, { encoding: 'utf8', env, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] }))
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}

const TRIES = 5
