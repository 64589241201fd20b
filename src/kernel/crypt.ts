// Computes bcrypt by the system's crypt(3), in libuv's thread pool. Knows the C library; nothing of users, and keeps no password.
import koffi from 'koffi'
import { KernelError } from '../errors.ts'

/** libxcrypt as Debian and as Fedora name it; then the process itself: musl has crypt_r in its libc. */
const LIBRARIES = ['libcrypt.so.1', 'libcrypt.so.2', null]
/** struct crypt_data of libxcrypt; musl's is smaller. */
const DATA_BYTES = 32 * 1024
/** What libxcrypt takes, without the closing zero. */
const PASSWORD_BYTES = 511
const PROBE = { password: 'orb8', hash: '$2b$04$......................' }

type CryptR = { async: (password: Buffer, setting: string, data: Buffer, done: (error: unknown, hash: string | null) => void) => void }

/**
 * The bcrypt hash of a password with the cost and the salt of `setting`, which is a hash itself; undefined where there is none: a
 * password that is too long or holds a zero.
 */
export type Crypt = (password: Buffer, setting: string) => Promise<string | undefined>

let opened: Promise<Crypt> | undefined

/** Rejects with KernelError where this system's crypt(3) has no bcrypt. */
export function openCrypt(): Promise<Crypt> {
  opened ??= find()
  return opened
}

async function find(): Promise<Crypt> {
  for (const name of LIBRARIES) {
    const crypt = load(name)
    const hash = await crypt?.(Buffer.from(PROBE.password), PROBE.hash)
    if (crypt !== undefined && hash !== undefined) return crypt
  }
  throw new KernelError('check passwords of basic_auth_users', 'no crypt(3) with bcrypt', "install libxcrypt (Debian's libcrypt1)")
}

function load(name: string | null): Crypt | undefined {
  let cryptR: CryptR
  try {
    cryptR = koffi.load(name).func('const char *crypt_r(const char *password, const char *setting, void *data)') as unknown as CryptR
  } catch {
    return undefined
  }
  return (password, setting) => {
    if (password.length > PASSWORD_BYTES || password.includes(0)) return Promise.resolve(undefined)
    const [input, data] = [Buffer.alloc(password.length + 1), Buffer.alloc(DATA_BYTES)]
    password.copy(input)
    return new Promise((resolve, reject) => {
      // 2a is 2b by another name, but for the bug of a third that libxcrypt guards against in it.
      cryptR.async(input, setting.replace(/^\$2[ay]\$/, '$2b$'), data, (error, hash) => {
        input.fill(0)
        data.fill(0)
        if (error) reject(error)
        else resolve(hash?.startsWith('$2b$') ? setting.slice(0, 4) + hash.slice(4) : undefined)
      })
    })
  }
}
