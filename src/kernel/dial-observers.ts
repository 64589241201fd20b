// Keeps the observers of dialled addresses above the pods, as long as somebody else's programs may rewrite what pods dial. Knows hooks
// and cgroups; nothing of addresses.
import { statSync } from 'node:fs'
import { KernelError } from '../errors.ts'
import type { Links } from './attach.ts'
import { attachBeside, type CgroupLink, cgroupLink, cgroupsAbove, isExclusive, programsAt } from './cgroup-programs.ts'
import type { Fd } from './libbpf.ts'
import type { Refusal } from './object.ts'
import { findPodCgroup, hasProcesses } from './pod-cgroup.ts'
import { remedyFor } from './requirements.ts'

/** enum bpf_attach_type of include/uapi/linux/bpf.h. */
export const DIAL_HOOKS: ReadonlyMap<string, number> = new Map([
  ['orb8_connect4', 10],
  ['orb8_connect6', 11],
  ['orb8_sendmsg4', 14],
  ['orb8_sendmsg6', 15],
])
const SENDING: readonly string[] = ['orb8_sendmsg4', 'orb8_sendmsg6']
/** Looked for again while there is no cgroup of pods, ms: a kubelet makes it once. */
const SEARCH_EVERY_MS = 60_000

export const ALONE = 'a program at a cgroup above was attached to be the only one, without BPF_F_ALLOW_MULTI: attach it with a link'

/** What a look found new. */
export interface DialNews {
  readonly program: string
  /** `idle`: nobody rewrites there. `left`: this process may neither ask nor attach, and what it found stays as it is. */
  readonly state: 'observes' | 'idle' | 'refused' | 'left'
  readonly cgroup: string
  readonly refusal?: Refusal
}

export interface DialOptions {
  readonly links: Links
  /** Loaded, by name, without a descriptor where it is not for this process; others than observers are left alone. */
  readonly programs: ReadonlyMap<string, Fd | undefined>
  readonly cgroupRoot: string
  /** Told before the first observer of unconnected datagrams is attached and after the last one is gone. */
  readonly sending: (observed: boolean) => void
  /** Monotonic, ms. */
  readonly now?: (() => number) | undefined
}

/**
 * An observer must run before the programs that rewrite, so it is attached below them: programs of a cgroup run before those of the cgroups
 * above. And never where there are none: see docs/decisions/0009.
 */
export class DialObservers {
  readonly #options: DialOptions
  readonly #now: () => number
  readonly #states = new Map<string, DialNews>()
  #cgroup: string | undefined
  #searched = Number.NEGATIVE_INFINITY
  /** May not ask: what is attached stays. */
  #blind: boolean
  #told = false

  constructor(options: DialOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#blind = [...DIAL_HOOKS.keys()].some((name) => options.programs.has(name) && options.programs.get(name) === undefined)
  }

  get refused(): readonly Refusal[] {
    return [...this.#states.values()].flatMap(({ refusal }) => refusal ?? [])
  }

  /** Attaches and detaches as it is needed now; some 20 us where nothing has changed. */
  follow(): readonly DialNews[] {
    const cgroup = this.#blind ? undefined : this.#findCgroup()
    const news = [...DIAL_HOOKS.keys()].flatMap((name) => (this.#blind ? [] : this.#settle(name, cgroup)))
    if (this.#blind) return [...news, ...this.#tellLeft()]
    this.#options.sending(SENDING.some((name) => this.#options.links.has(name)))
    return news
  }

  /** Once. */
  #tellLeft(): readonly DialNews[] {
    if (this.#told) return []
    this.#told = true
    return [...DIAL_HOOKS.keys()]
      .filter((program) => this.#options.programs.has(program))
      .map((program) => ({ program, state: 'left', cgroup: '' }))
  }

  #findCgroup(): string | undefined {
    const now = this.#now()
    const lost = this.#cgroup === undefined || !hasProcesses(this.#cgroup)
    if (lost && now - this.#searched >= SEARCH_EVERY_MS) {
      this.#searched = now
      this.#cgroup = findPodCgroup(this.#options.cgroupRoot)
    }
    return this.#cgroup
  }

  #settle(name: string, cgroup: string | undefined): readonly DialNews[] {
    const program = this.#options.programs.get(name)
    if (program === undefined) return []
    const state = cgroup === undefined ? this.#leave(name) : this.#tryToAttend(name, program, cgroup)
    if (state === undefined) return []
    const before = this.#states.get(name)
    this.#states.set(name, state)
    const same = before?.state === state.state && before.cgroup === state.cgroup && before.refusal?.reason === state.refusal?.reason
    return same || (before === undefined && state.state === 'idle') ? [] : [state]
  }

  /** Undefined where nobody may know. */
  #tryToAttend(program: string, fd: Fd, cgroup: string): DialNews | undefined {
    try {
      return this.#attend(program, fd, cgroup)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#rest(program) // the cgroup went meanwhile
      if (!(error instanceof KernelError)) throw error
      this.#blind = error.code === 'EPERM'
      if (this.#blind) return undefined
      return { program, state: 'refused', cgroup, refusal: { program, reason: `ask: ${error.reason}`, remedy: error.remedy } }
    }
  }

  /** No pods are to be seen from here. Undefined where an observer is above some: it stays. */
  #leave(program: string): DialNews | undefined {
    const { links } = this.#options
    const link = links.fd(program)
    return link !== undefined && cgroupLink(link).cgroup !== 0n ? undefined : this.#rest(program)
  }

  #rest(program: string): DialNews {
    const { links } = this.#options
    if (links.has(program)) links.detach(program)
    return { program, state: 'idle', cgroup: '' }
  }

  #attend(name: string, program: Fd, cgroup: string): DialNews {
    const { links } = this.#options
    const hook = DIAL_HOOKS.get(name) as number
    const running = programsAt(cgroup, hook) // first of all: who may not ask leaves all as it is
    const link = links.fd(name)
    let own: CgroupLink | undefined = link === undefined ? undefined : cgroupLink(link)
    if (own !== undefined && own.cgroup !== statSync(cgroup, { bigint: true }).ino) {
      links.detach(name)
      own = undefined
    }
    const others = running.filter((id) => id !== own?.program)
    if (others.length === 0) return this.#rest(name)
    return own === undefined ? this.#join(name, program, cgroup, others) : { program: name, state: 'observes', cgroup }
  }

  /** Nobody may be kept from running by us: where somebody is, it ends at once. */
  #join(name: string, program: Fd, cgroup: string, others: readonly number[]): DialNews {
    const { links, sending } = this.#options
    const hook = DIAL_HOOKS.get(name) as number
    const refused = (code: string): DialNews => ({ program: name, state: 'refused', cgroup, refusal: refusalOf(name, code) })
    if (cgroupsAbove(cgroup).some((above) => isExclusive(above, hook))) return refused('EPERM')
    if (SENDING.includes(name)) sending(true)
    const made = attachBeside(program, cgroup, hook)
    if (typeof made === 'string') return refused(made)
    links.keep(name, made)
    const running = new Set(programsAt(cgroup, hook))
    if (others.every((id) => running.has(id))) return { program: name, state: 'observes', cgroup }
    links.detach(name)
    return refused('EPERM')
  }
}

function refusalOf(program: string, code: string): Refusal {
  return { program, reason: `attach: ${code}`, remedy: code === 'EPERM' ? ALONE : remedyFor(code) }
}
