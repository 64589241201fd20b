// Wrappers that run one half of the exporter with what it is allowed and nothing more: capabilities, user, file systems, system calls.
// Knows setpriv and mount; nothing of the exporter.
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')
/** Where the private mount namespace shows the repository, which may lie where only root can go. */
const SHOWN = '/mnt'

/**
 * Arguments: the repository, whether file systems stay writable, how many binds, each from and to, and the command. /proc and /dev stay as
 * they are, as they do in a container.
 */
const IN_NAMESPACE = `
set -e
repository=$1 writable=$2 binds=$3
shift 3
mount --make-rprivate /
mount --bind "$repository" ${SHOWN}
while [ "$binds" -gt 0 ]; do
  mount --bind "$1" "$2"
  shift 2
  binds=$((binds - 1))
done
if [ "$writable" = no ]; then
  while read -r _ _ _ _ at _; do
    case $at in /proc | /proc/* | /dev | /dev/*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
  done </proc/self/mountinfo
  ! ( : >/tmp/orb8-test-written ) 2>/dev/null
  ! ( : >${SHOWN}/orb8-test-written ) 2>/dev/null
fi
cd /
count=$#
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  case $word in "$repository"/*) word=${SHOWN}\${word#"$repository"} ;; esac
  set -- "$@" "$word"
done
exec "$@"
`

export interface Confinement {
  /** Left out: root, of its own group and these. */
  readonly uid?: number
  readonly gid?: number
  readonly groups?: readonly number[]
  /** Names as setpriv has them, such as `bpf`. */
  readonly bounding: readonly string[]
  /** In force in spite of the uid. */
  readonly ambient?: readonly string[]
  readonly readOnly?: boolean
  /** Container runtimes' default profile, or the only system calls that are allowed. */
  readonly seccomp?: boolean | readonly string[]
  /** What is seen in the place of something else: from, to. */
  readonly binds?: readonly (readonly [string, string])[]
}

const set = (names: readonly string[]): string => ['-all', ...names.map((name) => `+${name}`)].join(',')

/** To stand before a command. Root has the bounding set in force, others what is ambient. No new privileges ever. */
export function confined(options: Confinement): readonly string[] {
  const { uid, gid = 0, groups = [], bounding, ambient = [], readOnly = false, seccomp = false, binds = [] } = options
  const user = uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${gid}`]
  const member = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`
  const capabilities = [`--inh-caps=${set(ambient)}`, `--ambient-caps=${set(ambient)}`, `--bounding-set=${set(bounding)}`]
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', join(ROOT, 'test', 'harness', 'seccomp-exec.ts')]
  const calls = seccomp === false ? [] : [...node, ...(seccomp === true ? ['default', ...bounding] : ['only', ...seccomp]), '--']
  const shell = ['unshare', '--mount', 'sh', '-c', IN_NAMESPACE, 'sh', ROOT, readOnly ? 'no' : 'yes', `${binds.length}`, ...binds.flat()]
  return [...shell, 'setpriv', ...user, member, ...capabilities, '--no-new-privs', ...calls]
}

/** What `orb8 load` is to make do with: root in the pins' group, three capabilities. */
export function loader(group: number, capabilities: readonly string[] = ['bpf', 'perfmon', 'net_admin']): readonly string[] {
  return confined({ groups: [group], bounding: capabilities })
}

/** What `orb8 export` is to make do with on what is pinned: no capability in force. */
export function reader(group: number, options: Partial<Confinement> = {}): readonly string[] {
  return confined({ uid: 65534, gid: 65534, groups: [group], bounding: ['bpf'], readOnly: true, seccomp: true, ...options })
}
