// Ends the process where a thread hangs in C. Knows libc's _exit; nothing of who hangs.
import koffi from 'koffi'

/** process.exit joins the threads of libuv's pool first: with one that hangs in a driver it never comes back. Runs no exit handler. */
export function leaveAtOnce(code: number): never {
  koffi.load(null).func('void _exit(int code)')(code)
  throw new Error('_exit came back')
}
