// Root file systems of bare Debian, and commands inside them. Knows debootstrap, chroot and mounts; nothing of what is built there.
import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { run, works } from '../harness/child.ts'
import type { Undo } from '../harness/undo.ts'

const SUITE = 'bookworm'
const MIRROR = 'http://deb.debian.org/debian'
/** Packages that were fetched once, for the next time. */
const FETCHED = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'image-debs')
/** What Debian's slim images leave out. */
const NOT_SLIM = [
  'usr/share/doc',
  'usr/share/info',
  'usr/share/locale',
  'usr/share/man',
  'usr/share/groff',
  'usr/share/lintian',
  'var/cache/apt',
  'var/lib/apt/lists',
]
/** A minute on two idle cores, many on busy ones. */
const BOOTSTRAP_MS = 400_000
const COMMAND_MS = 400_000

/** Why there can be none here; undefined where there can. */
export function debianLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!works('which', 'debootstrap')) return 'needs debootstrap: apt-get install debootstrap'
  if (!works('unshare', '--mount', 'true')) return 'this root may not make mount namespaces'
  return undefined
}

/** In memory, where dpkg's fsync costs nothing; taken as it is used. */
const ROOM = '6g'

/** A directory that goes with the test, and with it what may still be mounted below: it must never be removed through a mount. */
export function makeFolder(undo: Undo): string {
  const folder = mkdtempSync(join(tmpdir(), `orb8-test-image-${process.pid}-`))
  run('mount', '-t', 'tmpfs', '-o', `size=${ROOM},mode=755`, 'tmpfs', folder)
  const remove = (): void => {
    for (const mount of mountsBelow(folder)) spawnSync('umount', ['-l', mount])
    rmdirSync(folder)
  }
  undo.add({ gently: remove, atOnce: remove })
  return folder
}

/** The deepest first, the folder itself last. */
function mountsBelow(folder: string): readonly string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  return mounts.filter((path) => path === folder || path.startsWith(`${folder}/`)).reverse()
}

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Does not hold the event loop: the test can be ended meanwhile. */
export async function command(undo: Undo, name: string, args: readonly string[], limitMs = COMMAND_MS): Promise<Ran> {
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs, killSignal: 'SIGKILL', detached: true })
  undo.add({ gently: () => undefined, atOnce: () => endGroup(child.pid, child.exitCode) })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  return { status: await promise, stdout, stderr }
}

function endGroup(pid: number | undefined, over: number | null): void {
  if (pid === undefined || over !== null) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** Debian's smallest set of packages at `root`. Undefined where it is there, else why not: no mirror, mostly. Throws where it takes too long. */
export async function bootstrap(undo: Undo, root: string): Promise<string | undefined> {
  mkdirSync(join(FETCHED, 'base'), { recursive: true })
  const args = ['--variant=minbase', `--cache-dir=${join(FETCHED, 'base')}`, SUITE, root, MIRROR]
  // Its mounts go with it, however it ends.
  const { status, stdout, stderr } = await command(undo, 'unshare', ['--mount', 'debootstrap', ...args], BOOTSTRAP_MS)
  if (status === null) throw new Error(`debootstrap took longer than ${BOOTSTRAP_MS} ms: ${stdout.slice(-500)}`)
  if (status !== 0) return `debootstrap ended with ${status}: ${(stderr || stdout).trim().split('\n').slice(-3).join(' ')}`
  for (const path of NOT_SLIM) rmSync(join(root, path), { recursive: true, force: true })
  for (const path of ['var/lib/apt/lists/partial', 'var/cache/apt/archives/partial']) mkdirSync(join(root, path), { recursive: true })
  const security = 'deb http://deb.debian.org/debian-security bookworm-security main\n'
  appendFileSync(join(root, 'etc/apt/sources.list'), security)
  return undefined
}

export function copyRoot(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['--archive', '--reflink=auto', from, to], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cp ${from}: ${stderr}`)
}

/** The node that runs this test, and the machine's npm, where node's image has them. */
export function addNode(root: string): void {
  const local = join(root, 'usr/local')
  copyFileSync(process.execPath, join(local, 'bin/node'))
  chmodSync(join(local, 'bin/node'), 0o755)
  writeFileSync(join(local, 'LICENSE'), "Node.js' licence stands here in node's image.\n")
  const npm = machinesNpm()
  cpSync(npm, join(local, 'lib/node_modules/npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'))
}

function machinesNpm(): string {
  const { stdout } = spawnSync('bash', ['-c', 'command -v npm'], { encoding: 'utf8' })
  if (stdout.trim() === '') throw new Error('no npm on this machine')
  return dirname(dirname(realpathSync(stdout.trim())))
}

export interface Inside {
  readonly root: string
  readonly folder: string
  readonly env: ReadonlyMap<string, string>
}

/** A shell's command inside, with the network; packages that were fetched before, and npm's settings, are the machine's. */
export async function runInside(undo: Undo, { root, folder, env }: Inside, text: string): Promise<Ran> {
  mkdirSync(join(FETCHED, 'archives', 'partial'), { recursive: true })
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
  const npm = existsSync(join(root, 'usr/local/bin/npm')) ? machinesSettings() : undefined
  const mounts = [[join(FETCHED, 'archives'), 'var/cache/apt/archives'] as const, ...(npm?.mounts ?? [])]
  const settings = [...env, ...(npm?.env ?? [])].map(([name, value]) => quoted(`${name}=${value}`)).join(' ')
  const script = [
    'set -e',
    `mount -t proc proc ${quoted(join(root, 'proc'))}`,
    ...mounts.map(([from, to]) => {
      const place = quoted(join(root, to))
      return `${statSync(from).isDirectory() ? `mkdir -p ${place}` : `touch ${place}`} && mount --bind ${quoted(from)} ${place}`
    }),
    `exec chroot ${quoted(root)} /usr/bin/env -i HOME=/root DEBIAN_FRONTEND=noninteractive ${settings} /bin/sh -c ${quoted(`cd ${quoted(folder)} && ${text}`)}`,
  ].join('\n')
  return command(undo, 'unshare', ['--mount', 'bash', '-c', script])
}

/** Its registry, what it fetched before, and the authorities that it trusts beside Node's. */
function machinesSettings(): {
  readonly env: readonly (readonly [string, string])[]
  readonly mounts: readonly (readonly [string, string])[]
} {
  const setting = (name: string): string => spawnSync('npm', ['config', 'get', name], { encoding: 'utf8' }).stdout.trim()
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? setting('cafile')
  return {
    env: [
      ['npm_config_registry', setting('registry')],
      ['npm_config_prefer_offline', 'true'],
      ...(existsSync(authorities) ? [['NODE_EXTRA_CA_CERTS', '/tmp/authorities.pem'] as const] : []),
    ],
    mounts: [
      ...(existsSync(setting('cache')) ? [[setting('cache'), 'root/.npm'] as const] : []),
      ...(existsSync(authorities) ? [[realpathSync(authorities), 'tmp/authorities.pem'] as const] : []),
    ],
  }
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
