// How many threads libuv's pool will have. Knows libuv's variable; nothing of what runs there.
import koffi from 'koffi'

const VARIABLE = 'UV_THREADPOOL_SIZE'
/** libuv's own. */
const DEFAULT = 4

/**
 * Asks for `threads` unless the environment already says how many; answers how many it will be. Only before anything used the pool
 * (a file read asynchronously, a call in a thread): libuv looks once. Room for calls that hang costs a stack each, untouched.
 */
export function widenPool(threads: number): number {
  const libc = koffi.load(null)
  libc.func('int setenv(const char *name, const char *value, int overwrite)')(VARIABLE, String(threads), 0)
  // libuv asks the same way; process.env may be a copy.
  const told = Number.parseInt(libc.func('const char *getenv(const char *name)')(VARIABLE) ?? '', 10)
  return told > 0 ? told : DEFAULT
}
