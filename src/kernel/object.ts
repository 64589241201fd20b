// Opens a BPF object file and loads what the kernel takes of it, program by program. Knows libbpf's objects; nothing of flows.
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { KernelError } from '../errors.ts'
import { type Shape, shapeIn } from './btf.ts'
import { type BpfMap, type BpfObject, type BpfProgram, check, checkPointer, errnoName, type Fd, libbpf } from './libbpf.ts'
import { remedyFor } from './requirements.ts'

export const SOCKET_OBJECT = fileURLToPath(new URL('../../dist/bpf/socket.bpf.o', import.meta.url))

/** Of a program that the kernel refused: the verifier's last words. */
export interface Refusal {
  readonly program: string
  readonly reason: string
  readonly remedy: string
}

/** Map sizes and read-only values, set between opening and loading. */
export interface LoadOptions {
  readonly entries: Readonly<Record<string, number>>
  readonly values: Readonly<Record<string, Buffer>>
  /** Maps that are there already and are to be used. */
  readonly existing?: ReadonlyMap<string, Fd>
  /** Programs that are not wanted. */
  readonly without?: readonly string[]
}

/** Enough for the last words of any refusal; the whole log is in libbpf's own messages. */
const LOG_BYTES = 1 << 20

export class LoadedObject implements Disposable {
  readonly refused: readonly Refusal[]
  readonly #object: BpfObject
  readonly #without: readonly string[]

  constructor(object: BpfObject, refused: readonly Refusal[], without: readonly string[] = []) {
    this.#object = object
    this.refused = refused
    this.#without = without
  }

  /** The programs that the kernel took, by name. */
  programs(): Map<string, BpfProgram> {
    const absent = new Set([...this.refused.map(({ program }) => program), ...this.#without])
    return new Map([...programsOf(this.#object)].filter(([name]) => !absent.has(name)))
  }

  map(name: string): BpfMap {
    return findMap(this.#object, name)
  }

  fd(name: string): Fd {
    return check(`find map ${name}`, libbpf().bpf.bpf_map__fd(this.map(name))) as Fd
  }

  [Symbol.dispose](): void {
    libbpf().bpf.bpf_object__close(this.#object)
  }
}

function findMap(object: BpfObject, name: string): BpfMap {
  return checkPointer<'bpf_map'>(`find map ${name}`, libbpf().bpf.bpf_object__find_map_by_name(object, name))
}

function open(path: string): BpfObject {
  return checkPointer<'bpf_object'>(`open ${path}`, libbpf().bpf.bpf_object__open_file(path, null))
}

/** Where the fields of these maps' keys and values stand, as the object file has them. Throws KernelError. */
export function shapesInObject<Name extends string>(path: string, maps: readonly Name[]): Record<Name, { key: Shape; value: Shape }> {
  const { bpf } = libbpf()
  const object = open(path)
  try {
    const size = [0]
    const data = checkPointer<'btf'>(`find the types of ${path}`, bpf.btf__raw_data(bpf.bpf_object__btf(object), size))
    const raw = Buffer.from(koffi.view(data, size[0] ?? 0).slice(0))
    const shapes = maps.map((name) => {
      const map = findMap(object, name)
      const [key, value] = [bpf.bpf_map__btf_key_type_id(map) as number, bpf.bpf_map__btf_value_type_id(map) as number]
      return [name, { key: shapeIn(raw, key), value: shapeIn(raw, value) }]
    })
    return Object.fromEntries(shapes) as Record<Name, { key: Shape; value: Shape }>
  } finally {
    bpf.bpf_object__close(object)
  }
}

function programsOf(object: BpfObject): Map<string, BpfProgram> {
  const { bpf } = libbpf()
  const programs = new Map<string, BpfProgram>()
  for (let at: unknown = null; ; ) {
    at = bpf.bpf_object__next_program(object, at)
    if (at === null || at === 0n) return programs
    programs.set(bpf.bpf_program__name(at) as string, at as BpfProgram)
  }
}

function prepare(object: BpfObject, options: LoadOptions): void {
  const { bpf } = libbpf()
  const programs = programsOf(object)
  for (const name of options.without ?? []) bpf.bpf_program__set_autoload(programs.get(name), false)
  for (const [name, fd] of options.existing ?? []) {
    check(`use the map ${name} that is there`, bpf.bpf_map__reuse_fd(findMap(object, name), fd))
  }
  for (const [name, entries] of Object.entries(options.entries)) {
    if (options.existing?.has(name)) continue
    check(`size map ${name}`, bpf.bpf_map__set_max_entries(findMap(object, name), entries))
  }
  for (const [name, value] of Object.entries(options.values)) {
    check(`set ${name}`, bpf.bpf_map__set_initial_value(findMap(object, name), value, value.length))
  }
}

/** The line that says why: the verifier ends with counts, and with the reason just before. */
export function lastWords(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(processed \d+ insns|verification time|stack depth|max_states|mark_precise|-- )/.test(line))
  return lines.at(-1) ?? ''
}

/** Loads only this program, with tiny maps, and lets it go again. Undefined where the kernel took it. */
function tryProgram(path: string, name: string, options: LoadOptions): Refusal | undefined {
  const { bpf } = libbpf()
  const object = open(path)
  const log = Buffer.alloc(LOG_BYTES)
  try {
    prepare(object, { entries: {}, values: options.values })
    for (const [other, program] of programsOf(object)) {
      bpf.bpf_program__set_autoload(program, other === name)
      if (other === name) bpf.bpf_program__set_log_buf(program, log, log.length)
    }
    const result = bpf.bpf_object__load(object) as number
    if (result >= 0) return undefined
    const code = errnoName(result)
    const words = lastWords(log.toString('latin1', 0, Math.max(log.indexOf(0), 0)))
    return { program: name, reason: words === '' ? code : `${code}: ${words}`, remedy: remedyFor(code) }
  } finally {
    bpf.bpf_object__close(object)
  }
}

/** A trial load of each program of the object, one by one: what `diagnose` shows. Leaves nothing behind. */
export function tryPrograms(
  path: string = SOCKET_OBJECT,
  options: LoadOptions = { entries: {}, values: {} },
): Map<string, Refusal | undefined> {
  const object = open(path)
  const names = [...programsOf(object).keys()].filter((name) => !options.without?.includes(name))
  libbpf().bpf.bpf_object__close(object)
  return new Map(names.map((name) => [name, tryProgram(path, name, options)]))
}

/**
 * Loads the object. Where the kernel refuses it as a whole, each program is tried alone and the object is loaded without
 * those that failed. Throws KernelError where none is left, saying what the machine lacks.
 */
export function loadObject(path: string, options: LoadOptions): LoadedObject {
  const { bpf } = libbpf()
  const whole = open(path)
  prepare(whole, options)
  const result = bpf.bpf_object__load(whole) as number
  if (result >= 0) return new LoadedObject(whole, [], options.without)
  bpf.bpf_object__close(whole)

  const tried = tryPrograms(path, options)
  const refused = [...tried.values()].filter((refusal) => refusal !== undefined)
  if (refused.length === 0) throw noneLoads(errnoName(result))
  if (refused.length === tried.size) throw noneLoads(refused[0]?.reason ?? errnoName(result))
  const part = open(path)
  prepare(part, options)
  for (const { program } of refused) bpf.bpf_program__set_autoload(programsOf(part).get(program), false)
  const second = bpf.bpf_object__load(part) as number
  if (second >= 0) return new LoadedObject(part, refused, options.without)
  bpf.bpf_object__close(part)
  throw noneLoads(errnoName(second))
}

/** `reason` as in a refusal: the errno's name, and what the verifier said. */
function noneLoads(reason: string): KernelError {
  const [code = '', detail] = reason.split(/: (.*)/s)
  return new KernelError('load any kernel program', code, remedyFor(code), detail === undefined ? {} : { detail })
}
