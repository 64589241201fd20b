// Puts the programs in place, or takes over those that are pinned: what comes of it is file descriptors by name. Knows the object and
// its hooks; nothing of what maps hold.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { KernelError } from '../errors.ts'
import { type About, readAbout, writeAbout } from './about.ts'
import { Links, programFd } from './attach.ts'
import { DIAL_HOOKS } from './dial-observers.ts'
import { keepLayout, SHAPED } from './layout-pins.ts'
import { LAYOUT_HASH, SETTINGS } from './layouts.ts'
import { type BpfProgram, type Fd, libbpf } from './libbpf.ts'
import { MAPS, OTHER_MAPS, PAIRS, pinName, READ_MAPS } from './map-pins.ts'
import { programId } from './maps.ts'
import { loadObject, type Refusal, SOCKET_OBJECT, shapesInObject } from './object.ts'
import type { PinDirectory } from './pins.ts'
import { missingCapabilities } from './requirements.ts'
import { dropCounted, hold, type OldConnections, oldConnections, setAside } from './set-aside.ts'
import { describeOld } from './takeover.ts'

/** Overflow entries: one for each cgroup and protocol, 8192 of them 1.6 MB. */
const OVERFLOW_ENTRIES = 8192
/** Only TCP flows and listeners have health, and of those in the flow map few hold a new sample at once; what is beyond is folded. */
const FLOWS_PER_HEALTH = 8
const MIN_HEALTH_ENTRIES = 1024
/** One for each cgroup and protocol that finds no room: beyond it health is the node's. 1024 of them 0.5 MB. */
const HEALTH_SPILL_ENTRIES = 1024

const CGROUP_PROGRAMS: readonly string[] = [
  'orb8_tcp_events',
  'orb8_egress',
  'orb8_ingress',
  'orb8_bind4',
  'orb8_bind6',
  'orb8_sock_create',
]
/** Iterators over the storage of a map. */
const STORAGE_PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['orb8_walk', 'connections'],
  ['orb8_take_over', 'connections_old'],
])
/** In place of the build while they are: nobody goes on with such programs. */
const TAKING_OVER = 'taking over'
/** Iterators over the files of all processes. */
const FILE_PROGRAMS: readonly string[] = ['orb8_find_listeners', 'orb8_adopt_files']
const ROOT = 0
/** Programs that count; the others only help them. */
const COUNTING = ['orb8_tcp_state', 'orb8_egress', 'orb8_ingress'] as const

export interface InstallOptions {
  /** The cgroup v2 directory below which sockets are seen. */
  readonly cgroupRoot: string
  readonly flowEntries: number
  readonly sockets: number
  /** Of one map each; by default as many as fit `flowEntries`. */
  readonly overflowEntries?: number
  readonly healthEntries?: number
  readonly healthSpillEntries?: number
  /** Where everything is pinned, to go on without this process; left out, it ends with it. */
  readonly pins?: PinDirectory | undefined
  readonly objectPath?: string
}

/** What was there: nothing, programs of this build, or others over the same maps. */
export type Origin = 'made' | 'taken over' | 'replaced'

export interface Installation extends Disposable {
  readonly origin: Origin
  readonly maps: ReadonlyMap<string, Fd>
  readonly links: Links
  /** Loaded, and attached but for observers of what is dialled; without a descriptor where they are pinned and not for this process. */
  readonly programs: ReadonlyMap<string, Fd | undefined>
  /** Programs that do not run, and why. */
  readonly refused: readonly Refusal[]
  /** Whose place they took: the kernel's numbers of programs. */
  readonly predecessors: readonly number[]
  /** Are there connections of another layout to take over, by orb8_take_over? Then install once more when that is done. */
  readonly takesOver: boolean
}

/** What is to be done with the maps before any program runs on them. */
export type Prepare = (maps: ReadonlyMap<string, Fd>) => void

/**
 * Programs that the kernel refuses are left out and told in `refused`. Throws KernelError where nothing that counts can be attached.
 */
export function install(options: InstallOptions, prepare: Prepare): Installation {
  const { pins, objectPath = SOCKET_OBJECT } = options
  const wanted = {
    layout: LAYOUT_HASH,
    build: createHash('sha256').update(readFileSync(objectPath)).digest('hex').slice(0, 16),
    cgroupRoot: options.cgroupRoot,
    flowEntries: options.flowEntries,
    sockets: options.sockets,
  }
  if (pins === undefined) return load(options, wanted, { existing: new Map(), old: undefined }, prepare)
  const found = readAbout(pins)
  if (pins.writable) dropCounted(pins)
  if (found !== undefined && differences(found, wanted).length === 0) {
    const taken = takeOver(pins, found, prepare)
    // Whoever may make it makes it anew where somebody has removed it: the next build needs it.
    if (taken !== undefined && pins.writable && missingCapabilities().length === 0) keepShapes(pins, objectPath)
    if (taken !== undefined) return taken
  }
  requireLoading(pins, found === undefined ? undefined : differences(found, wanted))
  if (found !== undefined && found.layout !== wanted.layout) setAside(pins, found.layout)
  const old = oldConnections(pins)
  const existing = found === undefined ? new Map<string, Fd>() : reusable(pins, found, wanted)
  if (found !== undefined && found.cgroupRoot !== wanted.cgroupRoot) for (const name of CGROUP_PROGRAMS) pins.remove(`link_${name}`)
  if (existing.size === 0 && old === undefined) pins.clear()
  try {
    return load(options, wanted, { existing, old }, prepare)
  } finally {
    for (const fd of [...existing.values(), ...(old === undefined ? [] : [old.fd])]) libbpf().libc.close(fd)
  }
}

const keepShapes = (pins: PinDirectory, objectPath: string): void => keepLayout(pins, LAYOUT_HASH, () => shapesInObject(objectPath, SHAPED))

type Wanted = Pick<About, 'layout' | 'build' | 'cgroupRoot' | 'flowEntries' | 'sockets'>

/** As a person knows them, most telling first. */
const SAYINGS = {
  build: 'another build',
  layout: 'another build',
  cgroupRoot: 'another ORB8_CGROUP_ROOT',
  flowEntries: 'another ORB8_FLOW_ENTRIES',
  sockets: 'another ORB8_SOCKETS',
} as const satisfies Record<keyof Wanted, string>

/** Empty where what is pinned can be taken over as it is. */
function differences(found: About, wanted: Wanted): readonly string[] {
  const keys = (Object.keys(SAYINGS) as (keyof Wanted)[]).filter((key) => found[key] !== wanted[key])
  const told = keys.map((key) =>
    key === 'build' || key === 'layout' ? SAYINGS[key] : `${SAYINGS[key]} (${found[key]}, not ${wanted[key]})`,
  )
  return [...new Set([...told, ...(found.complete ? [] : ['a loading that did not end'])])]
}

/** Before anything that is pinned is touched: may this process put its own in place of it, and nobody else after it? Throws KernelError. */
function requireLoading(pins: PinDirectory, different: readonly string[] | undefined): void {
  const missing = missingCapabilities()
  const lacks = [...(pins.writable ? [] : [`the right to write to ${pins.path}`]), ...(missing.includes('CAP_BPF') ? missing : [])]
  if (lacks.length === 0 && pins.owner !== ROOT && pins.owner !== process.geteuid?.()) {
    const remedy = 'it could put its own in the place of any pin: remove the directory, or choose another path'
    throw new KernelError(`pin below ${pins.path}`, `it belongs to user ${pins.owner}`, remedy)
  }
  if (lacks.length === 0) return
  const found =
    different === undefined ? 'nothing is' : different.length === 0 ? 'some of it is missing' : `it is of ${different.join(' and ')}`
  const remedy = `run orb8 load of this version with the same settings first; to load by itself it needs ${lacks.join(', ')}`
  throw new KernelError(`take over what is pinned below ${pins.path}`, found, remedy)
}

const programPin = (program: string): string => `program_${program}`

function takeOver(pins: PinDirectory, found: About, prepare: Prepare): Installation | undefined {
  const { libc } = libbpf()
  const links = new Links(pins)
  const maps = new Map<string, Fd>()
  const programs = new Map<string, Fd | undefined>()
  const close = (): void => {
    links[Symbol.dispose]()
    for (const fd of [...maps.values(), ...programs.values()]) if (fd !== undefined) libc.close(fd)
  }
  const refused = new Set(found.refused.map(({ program }) => program))
  const running = found.programs.filter((name) => !refused.has(name))
  for (const name of MAPS) take(maps, name, READ_MAPS.includes(name) ? pins.look(pinName(name)) : pins.get(pinName(name)))
  for (const name of running) if (pins.has(programPin(name))) programs.set(name, pins.getIfAllowed(programPin(name)))
  const linked = running.filter((name) => links.takeOver(name) || DIAL_HOOKS.has(name))
  if (maps.size === MAPS.length && programs.size === running.length && linked.length === running.length) {
    prepare(maps)
    return {
      origin: 'taken over',
      maps,
      links,
      programs,
      refused: found.refused,
      predecessors: [],
      takesOver: false,
      [Symbol.dispose]: close,
    }
  }
  close()
  return undefined
}

function take(into: Map<string, Fd>, name: string, fd: Fd | undefined): void {
  if (fd !== undefined) into.set(name, fd)
}

/** Maps that the programs of this build can go on with: all that one needs of the other, or none. */
function reusable(pins: PinDirectory, found: About, wanted: Wanted): Map<string, Fd> {
  if (found.layout !== wanted.layout) return new Map()
  if (found.flowEntries === wanted.flowEntries) {
    const maps = pinned(pins, MAPS)
    if (maps !== undefined) return maps
  }
  const maps = pinned(pins, OTHER_MAPS)
  if (maps !== undefined) hold(pins, found.layout)
  return maps ?? new Map()
}

/** All of them, or none. */
function pinned(pins: PinDirectory, names: readonly string[]): Map<string, Fd> | undefined {
  const maps = new Map<string, Fd>()
  for (const name of names) take(maps, name, pins.get(pinName(name)))
  if (maps.size === names.length) return maps
  for (const fd of maps.values()) libbpf().libc.close(fd)
  return undefined
}

/** Entries of each map of the pairs. */
function sizes(options: InstallOptions): Record<string, number> {
  const { flowEntries, overflowEntries = OVERFLOW_ENTRIES, healthSpillEntries = HEALTH_SPILL_ENTRIES } = options
  const healthEntries = options.healthEntries ?? Math.max(MIN_HEALTH_ENTRIES, Math.ceil(flowEntries / FLOWS_PER_HEALTH))
  const entries = { flows: flowEntries, overflow: overflowEntries, health: healthEntries, health_spill: healthSpillEntries }
  return Object.fromEntries(PAIRS.flatMap((name) => [[`${name}_a`, entries[name]] as const, [`${name}_b`, entries[name]] as const]))
}

interface Before {
  readonly existing: ReadonlyMap<string, Fd>
  readonly old: OldConnections | undefined
}

function load(options: InstallOptions, wanted: Wanted, { existing, old }: Before, prepare: Prepare): Installation {
  const { pins, cgroupRoot, objectPath = SOCKET_OBJECT } = options
  const settings = Buffer.alloc(SETTINGS.size)
  settings.writeBigUInt64LE(BigInt(options.sockets), SETTINGS.sockets)
  const predecessors = pins === undefined ? [] : pinnedPrograms(pins)
  const takesOver = old !== undefined && describeOld(old.shape, settings)
  const object = loadObject(objectPath, {
    entries: sizes(options),
    values: { '.rodata.settings': settings },
    existing: takesOver ? new Map([...existing, ['connections_old', old.fd]]) : existing,
    without: takesOver ? [] : ['orb8_take_over'],
  })
  const links = new Links(pins)
  const close = (): void => {
    links[Symbol.dispose]()
    object[Symbol.dispose]()
  }
  try {
    const programs = object.programs()
    const all = [...programs.keys(), ...object.refused.map(({ program }) => program)]
    const about = (complete: boolean, refused: readonly Refusal[]): void => {
      if (pins !== undefined)
        writeAbout(pins, { ...wanted, ...(takesOver ? { build: TAKING_OVER } : {}), complete, programs: all, refused })
    }
    const maps = new Map(MAPS.map((name) => [name, object.fd(name)]))
    if (pins !== undefined) {
      keepShapes(pins, objectPath)
      for (const [name, fd] of maps) if (!existing.has(name)) pins.put(pinName(name), fd, READ_MAPS.includes(name) ? 'read' : 'write')
    }
    prepare(maps)
    about(false, [])
    const refused = [
      ...object.refused,
      ...attachAll({
        links,
        programs,
        cgroupRoot,
        storage: (map) => (map === 'connections_old' ? (old as OldConnections).fd : object.fd(map)),
      }),
    ]
    requireCounting(links, refused)
    const runs = (name: string): boolean => links.has(name) || DIAL_HOOKS.has(name)
    const running = new Map([...programs].filter(([name]) => runs(name)).map(([name, program]) => [name, programFd(program)]))
    if (pins !== undefined) pinPrograms(pins, running)
    about(true, refused)
    return {
      origin: existing.size === 0 && old === undefined ? 'made' : 'replaced',
      maps,
      links,
      programs: running,
      refused,
      predecessors,
      takesOver,
      [Symbol.dispose]: close,
    }
  } catch (error) {
    close()
    throw error
  }
}

function pinnedPrograms(pins: PinDirectory): number[] {
  return pins
    .names()
    .filter((name) => name.startsWith('program_'))
    .map((name) => {
      const fd = pins.get(name) as Fd
      const id = programId(fd)
      libbpf().libc.close(fd)
      return id
    })
}

/** And lets go what the last build had and this one has not. */
function pinPrograms(pins: PinDirectory, running: ReadonlyMap<string, Fd>): void {
  for (const [name, fd] of running) pins.put(programPin(name), fd, 'nothing')
  for (const pin of pins.names()) {
    const [, name] = /^(?:link|program)_(.*)$/.exec(pin) ?? []
    if (name !== undefined && !running.has(name)) pins.remove(pin)
  }
}

interface Attaching {
  readonly links: Links
  readonly programs: ReadonlyMap<string, BpfProgram>
  readonly cgroupRoot: string
  /** The map of that name; libbpf calls one that was there before by the kernel's name. */
  readonly storage: (map: string) => Fd
}

/**
 * The state tracepoint first, so that no connection slips between it and adoption. One failure does not stop the others. Observers of what
 * is dialled are attached by DialObservers: here only those that are there already change hands.
 */
function attachAll({ links, programs, cgroupRoot, storage }: Attaching): readonly Refusal[] {
  const refused: Refusal[] = []
  for (const [name, program] of programs) {
    const map = STORAGE_PROGRAMS.get(name)
    try {
      if (DIAL_HOOKS.has(name)) {
        // One whose cgroup is gone goes too.
        if (!links.replace(name, programFd(program))) links.detach(name)
      } else if (CGROUP_PROGRAMS.includes(name)) links.attachToCgroup(name, program, cgroupRoot)
      else if (map !== undefined) links.attachToMap(name, program, storage(map))
      else if (FILE_PROGRAMS.includes(name)) links.attachIterator(name, program)
      else links.attach(name, program)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      refused.push({ program: name, reason: `attach: ${error.reason}`, remedy: error.remedy })
    }
  }
  return refused
}

function requireCounting(links: Links, refused: readonly Refusal[]): void {
  if (COUNTING.some((name) => links.has(name))) return
  const first = refused[0] ?? { reason: 'ENOENT', remedy: 'the object file has none' }
  throw new KernelError('attach any program that counts', first.reason, first.remedy)
}
