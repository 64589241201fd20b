// The functions of libbpf and libc that we call, with C's pointers branded. Knows signatures; nothing of our objects.
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { KernelError } from '../errors.ts'
import { remedyFor } from './requirements.ts'

declare const pointee: unique symbol
/** What C handed over: a bare number, worth only what its brand says. */
export type Ptr<T extends string> = bigint & { readonly [pointee]: T }
export type BpfObject = Ptr<'bpf_object'>
export type BpfProgram = Ptr<'bpf_program'>
export type BpfMap = Ptr<'bpf_map'>
export type BpfLink = Ptr<'bpf_link'>
/** A file descriptor. */
export type Fd = number & { readonly __brand: 'Fd' }

export interface Library {
  func(definition: string): CFunction
}
export interface CFunction {
  (...args: unknown[]): unknown
  async: (...args: unknown[]) => void
}

export type LogLevel = 'warn' | 'info' | 'debug'

function open(name: string): Library {
  try {
    return koffi.load(name) as Library
  } catch (cause) {
    throw new KernelError(`load ${name}`, (cause as Error).message, "install libbpf 1.1 or newer (Debian's libbpf1)", { cause })
  }
}

const LIBBPF = {
  libbpf_version_string: 'const char *libbpf_version_string()',
  bpf_object__open_file: 'void *bpf_object__open_file(const char *path, const void *opts)',
  bpf_object__load: 'int bpf_object__load(void *obj)',
  bpf_object__close: 'void bpf_object__close(void *obj)',
  bpf_object__btf: 'void *bpf_object__btf(void *obj)',
  btf__raw_data: 'void *btf__raw_data(void *btf, _Out_ uint32_t *size)',
  bpf_object__next_program: 'void *bpf_object__next_program(void *obj, void *prog)',
  bpf_object__next_map: 'void *bpf_object__next_map(void *obj, void *map)',
  bpf_object__find_map_by_name: 'void *bpf_object__find_map_by_name(void *obj, const char *name)',
  bpf_program__name: 'const char *bpf_program__name(void *prog)',
  bpf_program__fd: 'int bpf_program__fd(void *prog)',
  bpf_program__set_autoload: 'int bpf_program__set_autoload(void *prog, bool autoload)',
  bpf_program__set_log_buf: 'int bpf_program__set_log_buf(void *prog, void *buf, size_t size)',
  bpf_program__expected_attach_type: 'int bpf_program__expected_attach_type(void *prog)',
  bpf_program__section_name: 'const char *bpf_program__section_name(void *prog)',
  bpf_program__attach: 'void *bpf_program__attach(void *prog)',
  bpf_program__attach_cgroup: 'void *bpf_program__attach_cgroup(void *prog, int fd)',
  bpf_program__attach_iter: 'void *bpf_program__attach_iter(void *prog, const void *opts)',
  bpf_link__fd: 'int bpf_link__fd(void *link)',
  bpf_link__destroy: 'int bpf_link__destroy(void *link)',
  bpf_map__name: 'const char *bpf_map__name(void *map)',
  bpf_map__fd: 'int bpf_map__fd(void *map)',
  bpf_map__btf_key_type_id: 'uint32_t bpf_map__btf_key_type_id(void *map)',
  bpf_map__btf_value_type_id: 'uint32_t bpf_map__btf_value_type_id(void *map)',
  bpf_map__key_size: 'uint32_t bpf_map__key_size(void *map)',
  bpf_map__value_size: 'uint32_t bpf_map__value_size(void *map)',
  bpf_map__max_entries: 'uint32_t bpf_map__max_entries(void *map)',
  bpf_map__set_max_entries: 'int bpf_map__set_max_entries(void *map, uint32_t n)',
  bpf_map__set_initial_value: 'int bpf_map__set_initial_value(void *map, const void *data, size_t size)',
  bpf_link_update: 'int bpf_link_update(int link_fd, int new_prog_fd, const void *opts)',
  bpf_link_create: 'int bpf_link_create(int prog_fd, int target_fd, int type, const void *opts)',
  bpf_prog_query: 'int bpf_prog_query(int target_fd, int type, uint32_t how, _Inout_ uint32_t *flags, void *ids, _Inout_ uint32_t *count)',
  bpf_obj_pin: 'int bpf_obj_pin(int fd, const char *path)',
  bpf_obj_get: 'int bpf_obj_get(const char *path)',
  bpf_obj_get_opts: 'int bpf_obj_get_opts(const char *path, const void *opts)',
  bpf_obj_get_info_by_fd: 'int bpf_obj_get_info_by_fd(int fd, void *info, _Inout_ uint32_t *size)',
  bpf_prog_get_fd_by_id: 'int bpf_prog_get_fd_by_id(uint32_t id)',
  bpf_map_create: 'int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, const void *opts)',
  bpf_map__reuse_fd: 'int bpf_map__reuse_fd(void *map, int fd)',
  bpf_map_lookup_batch:
    'int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, _Inout_ uint32_t *count, const void *opts)',
  bpf_iter_create: 'int bpf_iter_create(int link_fd)',
  bpf_map_lookup_elem: 'int bpf_map_lookup_elem(int fd, const void *key, void *value)',
  bpf_map_update_elem: 'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
  bpf_map_delete_elem: 'int bpf_map_delete_elem(int fd, const void *key)',
  bpf_map_get_next_key: 'int bpf_map_get_next_key(int fd, const void *key, void *next)',
  bpf_map_lookup_and_delete_batch:
    'int bpf_map_lookup_and_delete_batch(int fd, void *in, void *out, void *keys, void *values, _Inout_ uint32_t *count, const void *opts)',
} as const

const LIBC = {
  read: 'int64_t read(int fd, void *buf, size_t n)',
  close: 'int close(int fd)',
  open: 'int open(const char *path, int flags)',
  flock: 'int flock(int fd, int operation)',
  mmap: 'void *mmap(void *at, size_t length, int protection, int flags, int fd, int64_t offset)',
} as const

type Functions<T> = { readonly [K in keyof T]: CFunction }

function declare<T extends Record<string, string>>(library: Library, prototypes: T): Functions<T> {
  return Object.fromEntries(Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)])) as Functions<T>
}

let opened: { readonly bpf: Functions<typeof LIBBPF>; readonly libc: Functions<typeof LIBC> } | undefined

/** Opens libbpf.so.1 on first use, silent but for `setLibbpfLog`. Throws KernelError where it is missing. */
export function libbpf(): NonNullable<typeof opened> {
  if (opened !== undefined) return opened
  const library = open('libbpf.so.1')
  const libc = koffi.load(null) as Library
  opened = { bpf: declare(library, LIBBPF), libc: declare(libc, LIBC) }
  redirectLog(library, libc)
  return opened
}

let sink: ((level: LogLevel, line: string) => void) | undefined

/** Where libbpf's own messages go; undefined drops them. Not thread-safe in libbpf: call it before loading. */
export function setLibbpfLog(to: typeof sink): void {
  sink = to
}

const LEVELS: readonly LogLevel[] = ['warn', 'info', 'debug']
const LINE_BYTES = 16384

/** libbpf's print function takes a va_list: a pointer on x86-64 (an array decays) and on arm64 (passed by reference). */
function redirectLog(library: Library, libc: Library): void {
  const vsnprintf = libc.func('int vsnprintf(void *buf, size_t n, void *format, void *args)')
  const buffer = Buffer.alloc(LINE_BYTES)
  koffi.proto('int orb8_print(int level, void *format, void *args)')
  const print = koffi.register((level: number, format: bigint, args: bigint): number => {
    if (sink === undefined) return 0
    const length = Math.min(vsnprintf(buffer, LINE_BYTES, format, args) as number, LINE_BYTES - 1)
    sink(LEVELS[level] ?? 'debug', buffer.toString('latin1', 0, Math.max(length, 0)).trimEnd())
    return 0
  }, 'orb8_print *')
  library.func('void *libbpf_set_print(orb8_print *print)')(print)
}

/** libbpf's version as it tells it, without the leading v: `1.1`. */
export function libbpfVersion(): string {
  return String(libbpf().bpf.libbpf_version_string()).replace(/^v/, '')
}

/** The errno's name of a negative return value: `EPERM`. */
export function errnoName(negative: number): string {
  return getSystemErrorName(negative)
}

export function kernelError(deed: string, negative: number): KernelError {
  const code = errnoName(negative)
  return new KernelError(deed, code, remedyFor(code))
}

/** Passes a return value on where it is not negative, else throws what it means. */
export function check(deed: string, value: unknown): number {
  if ((value as number) < 0) throw kernelError(deed, value as number)
  return value as number
}

/** Passes a pointer on where it is not NULL, else throws what errno means. Call it right after the function. */
export function checkPointer<T extends string>(deed: string, value: unknown): Ptr<T> {
  if (value === null || value === 0n) throw kernelError(deed, -koffi.errno())
  return value as Ptr<T>
}

/** A call in libuv's thread pool. Its buffers stay referenced until it has ended: koffi does not keep them. */
export function inThread(fn: CFunction, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: number) => {
      args.length = 0
      if (error) reject(error)
      else resolve(result)
    })
  })
}

/** Like inThread for libc's calls that answer -1 and set errno: gives the negative errno, as libbpf does. */
export function inThreadErrno(fn: CFunction, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: number) => {
      const value = Number(result)
      const answer = value < 0 ? -koffi.errno() : value
      args.length = 0
      if (error) reject(error)
      else resolve(answer)
    })
  })
}
