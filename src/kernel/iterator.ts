// Runs a BPF iterator to its end in a pool thread. Knows nothing of what the program does.
import { KernelError } from '../errors.ts'
import type { IteratorSource } from './attach.ts'
import { check, errnoName, inThread, inThreadErrno, kernelError, libbpf } from './libbpf.ts'
import { remedyForPins } from './requirements.ts'

/** A read of a long walk returns after every 16k objects; each writes a byte. */
const BUFFER_BYTES = 4096
/** Reads in a row that the kernel breaks off: each has gone past a million objects. */
const TRIES = 100

/** fcntl.h: O_RDONLY | O_CLOEXEC, the same on x86-64 and arm64. */
const READ_ONLY = 0o2000000

/** Opens one pass of the iterator and reads it to its end. Throws KernelError. */
export async function runIterator(name: string, source: IteratorSource): Promise<void> {
  for await (const _ of chunks(name, source));
}

/** The same, with what it writes. */
export async function readIterator(name: string, source: IteratorSource): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks(name, source)) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}

/** Each is overwritten by the next. */
async function* chunks(name: string, source: IteratorSource): AsyncGenerator<Buffer> {
  const { bpf, libc } = libbpf()
  const fd = typeof source === 'string' ? await openFile(name, source) : check(`start ${name}`, await inThread(bpf.bpf_iter_create, source))
  const buffer = Buffer.alloc(BUFFER_BYTES)
  try {
    for (let tries = 0; ; ) {
      const read = await inThreadErrno(libc.read, fd, buffer, BUFFER_BYTES)
      if (read === 0) return
      tries = read > 0 ? 0 : tries + 1
      const brokenOff = read > 0 || errnoName(read) === 'EAGAIN' || errnoName(read) === 'EINTR'
      if (!brokenOff || tries > TRIES) throw kernelError(`run ${name}`, read)
      if (read > 0) yield buffer.subarray(0, read)
    }
  } finally {
    libc.close(fd)
  }
}

async function openFile(name: string, path: string): Promise<number> {
  const fd = await inThreadErrno(libbpf().libc.open, path, READ_ONLY)
  if (fd >= 0) return fd
  const remedy = errnoName(fd) === 'ENOENT' ? 'its pin has gone: run orb8 load, then start this again' : remedyForPins(errnoName(fd))
  throw new KernelError(`open ${path} for ${name}`, errnoName(fd), remedy)
}
