// Opens one address to listen on, and a unix socket's file with it. Knows addresses and their errors; nothing of what is served.
import { once } from 'node:events'
import { existsSync, lstatSync, unlinkSync } from 'node:fs'
import { type AddressInfo, connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { Orb8Error } from '../errors.ts'

/** An empty host: every address of this machine. Port 0: one that the kernel picks. `path`: a unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string }

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there: end it, or choose another address with ORB8_LISTEN',
  EACCES:
    'a port below 1024 needs CAP_NET_BIND_SERVICE, a unix socket a folder that this user may write to: choose another with ORB8_LISTEN',
  EADDRNOTAVAIL: 'this host has no such address: name one that it has in ORB8_LISTEN',
  EAFNOSUPPORT: 'this host has no such kind of address: name one that it has in ORB8_LISTEN',
  ENOTFOUND: 'the name has no address: name one in ORB8_LISTEN',
  ENOENT: 'its folder does not exist: create it, or choose another path with ORB8_LISTEN',
  EEXIST: 'something that is no socket stands there: remove it, or choose another path with ORB8_LISTEN',
}

/** Owner and group; the group may come from the folder (setgid). */
const SOCKET_MODE = 0o660

/** Where it listens in fact, as it would stand in ORB8_LISTEN. Throws Orb8Error. */
export async function listen(server: Server, address: ListenAddress): Promise<string> {
  try {
    if ('path' in address) return await listenOnPath(server, address.path)
    const { host, port } = address
    server.listen(host === '' ? { port } : { port, host })
    await once(server, 'listening')
    return shown(server.address() as AddressInfo)
  } catch (error) {
    const code = 'path' in address && !existsSync(dirname(address.path)) ? 'ENOENT' : codeOf(error)
    throw new Orb8Error(`listen on ${shown(address)}`, code, REMEDIES[code] ?? 'set ORB8_LISTEN', { cause: error })
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)

function shown(address: ListenAddress | AddressInfo): string {
  if ('path' in address) return `unix:${address.path}`
  const host = 'host' in address ? address.host : address.address
  return `${host.includes(':') ? `[${host}]` : host}:${address.port}`
}

async function listenOnPath(server: Server, path: string): Promise<string> {
  try {
    await bind(server, path)
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE' || !(await isLeftBehind(path))) throw error
    unlinkSync(path)
    await bind(server, path)
  }
  return shown({ path })
}

async function bind(server: Server, path: string): Promise<void> {
  // The file is made within the call: at no moment may others open it.
  const mask = process.umask(0o777 & ~SOCKET_MODE)
  try {
    server.listen({ path })
  } finally {
    process.umask(mask)
  }
  await once(server, 'listening')
}

/** Is it the socket of a process that ended without removing it? Throws what a file of another kind means. */
async function isLeftBehind(path: string): Promise<boolean> {
  if (!lstatSync(path).isSocket()) throw Object.assign(new Error('it is no socket'), { code: 'EEXIST' })
  const visitor = connect({ path })
  try {
    await once(visitor, 'connect')
    return false
  } catch (error) {
    return codeOf(error) === 'ECONNREFUSED'
  } finally {
    visitor.destroy()
  }
}
