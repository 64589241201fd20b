// Runs a BPF iterator to its end in a pool thread. Knows nothing of what the program does.
import { check, errnoName, type Fd, inThread, inThreadErrno, kernelError, libbpf } from './libbpf.ts'

/** A read of a long walk returns after every 16k objects; each writes a byte. */
const BUFFER_BYTES = 4096
/** Reads in a row that the kernel breaks off: each has gone past a million objects. */
const TRIES = 100

/** Opens one pass of the iterator behind `link` and reads it to its end. Throws KernelError. */
export async function runIterator(name: string, link: Fd): Promise<void> {
  const { bpf, libc } = libbpf()
  const fd = check(`start ${name}`, await inThread(bpf.bpf_iter_create, link))
  const buffer = Buffer.alloc(BUFFER_BYTES)
  try {
    for (let tries = 0; ; ) {
      const read = await inThreadErrno(libc.read, fd, buffer, BUFFER_BYTES)
      if (read === 0) return
      tries = read > 0 ? 0 : tries + 1
      const brokenOff = read > 0 || errnoName(read) === 'EAGAIN' || errnoName(read) === 'EINTR'
      if (!brokenOff || tries > TRIES) throw kernelError(`run ${name}`, read)
    }
  } finally {
    libc.close(fd)
  }
}
