// Names of this node's pods without the API server, from the directories of their logs. Looks when it is asked for what it does not know.
import type { Ownership } from '../owner.ts'
import { type LoggedPod, listContainers, listLinks, listPods } from './log-directories.ts'
import type { OwnAnswer } from './own-pods.ts'

/** Two readdirs of some hundred names. */
const MIN_SCAN_MS = 1000
/** To see which pods have gone; and whether a directory that was not there has come. */
const RESCAN_MS = 60_000
/** Sockets outlive their pod. */
const KEEP_GONE_MS = 600_000
const MAX_GONE = 16_384
/** A static pod's UID is the hash of its file. */
const HASH = /^[0-9a-f]{32}$/

export interface PodLogsOptions {
  /** Kubelet's podLogsDir. */
  readonly directory: string
  readonly nodeName: string
  /** Monotonic, ms. */
  readonly nowMs: () => number
}

/** A cgroup that needs names. */
export interface Need {
  readonly podUid: string
  readonly containerId?: string
}

export interface PodName {
  readonly namespace: string
  readonly pod: string
}

interface LogRecord {
  readonly pod: LoggedPod
  readonly containers: Map<string, string>
  readonly answers: Map<string, Ownership>
  seen: number
  goneMs: number | undefined
}

export class PodLogs {
  readonly #options: PodLogsOptions
  readonly #pods = new Map<string, LogRecord>()
  /** UIDs by `namespace/name`, of those whose directory is there. */
  #names: ReadonlyMap<string, string> = new Map()
  #scanMs = Number.NEGATIVE_INFINITY
  #scans = 0
  #found = false
  #scanning: Promise<void> | undefined
  #changes = 0

  constructor(options: PodLogsOptions) {
    this.#options = options
  }

  /** Was the directory there when last looked for? */
  get found(): boolean {
    return this.#found
  }

  get scans(): number {
    return this.#scans
  }

  get size(): number {
    return this.#pods.size
  }

  /** Raised whenever an answer may have changed. */
  get generation(): number {
    return this.#changes
  }

  /** Looks into the directories where something asked for is not known, at most once a second; without need once a minute. */
  async ensure(needs: Iterable<Need>, names: Iterable<PodName> = []): Promise<void> {
    const unknown = [...needs].filter((need) => this.lookup(need.podUid, need.containerId)?.certain !== true)
    const strange = [...names].some(({ namespace, pod }) => !this.has(namespace, pod))
    const sinceMs = this.#options.nowMs() - this.#scanMs
    const soon = (unknown.length > 0 || strange) && (this.#found || this.#scans === 0)
    if (sinceMs < (soon ? MIN_SCAN_MS : RESCAN_MS)) return
    this.#scanning ??= this.#scan(unknown).finally(() => {
      this.#scanning = undefined
    })
    await this.#scanning
  }

  /** The pod's own name stands for its workload: its directory does not tell of a controller. A static pod's is the node. */
  lookup(uid: string, containerId?: string): OwnAnswer | undefined {
    const record = this.#pods.get(uid)
    if (record === undefined) return undefined
    const container = containerId === undefined ? '' : record.containers.get(containerId)
    return { ownership: this.#answer(record, container ?? ''), certain: container !== undefined }
  }

  /** By name, while its directory is there. An empty `container`: the pod as a whole. */
  byName(namespace: string, name: string, container: string): Ownership | undefined {
    const record = this.#pods.get(this.#names.get(`${namespace}/${name}`) ?? '')
    return record === undefined ? undefined : this.#answer(record, container)
  }

  /** Is there one of that name? */
  has(namespace: string, name: string): boolean {
    return this.#names.has(`${namespace}/${name}`)
  }

  async #scan(needs: readonly Need[]): Promise<void> {
    const { directory, nowMs } = this.#options
    this.#scanMs = nowMs()
    this.#scans++
    const pods = await listPods(directory).catch(() => undefined)
    this.#found = pods !== undefined
    if (pods === undefined) return
    const links = await listLinks(directory)
    for (const pod of pods) {
      const known = this.#pods.get(pod.uid)
      if (known === undefined) this.#add(pod)
      else known.seen = this.#scans
    }
    this.#names = new Map(pods.map(({ namespace, name, uid }) => [`${namespace}/${name}`, uid]))
    for (const { podUid, containerId } of needs) {
      const record = this.#pods.get(podUid)
      if (record !== undefined && containerId !== undefined) await this.#nameContainer(record, containerId, links)
    }
    this.#letGo()
  }

  #add(pod: LoggedPod): void {
    this.#pods.set(pod.uid, { pod, containers: new Map(), answers: new Map(), seen: this.#scans, goneMs: undefined })
    this.#changes++
  }

  /** The only directory of a pod is that of the container which runs: kubelet makes it before it starts one. */
  async #nameContainer(record: LogRecord, id: string, links: ReadonlyMap<string, string>): Promise<void> {
    if (record.containers.has(id)) return
    let name = links.get(id)
    if (name === undefined) {
      const { names, byId } = await listContainers(record.pod.directory)
      name = byId.get(id) ?? (links.size === 0 && byId.size === 0 && names.length === 1 ? names[0] : undefined)
    }
    if (name === undefined) return
    record.containers.set(id, name)
    this.#changes++
  }

  #letGo(): void {
    const nowMs = this.#options.nowMs()
    let gone = 0
    for (const [uid, record] of this.#pods) {
      if (record.seen === this.#scans) record.goneMs = undefined
      else record.goneMs ??= nowMs
      if (record.goneMs === undefined) continue
      if (nowMs - record.goneMs < KEEP_GONE_MS && ++gone <= MAX_GONE) continue
      this.#pods.delete(uid)
      this.#changes++
    }
  }

  #answer({ pod, answers }: LogRecord, container: string): Ownership {
    const known = answers.get(container)
    if (known !== undefined) return known
    const { nodeName } = this.#options
    const isStatic = HASH.test(pod.uid) && pod.name.endsWith(`-${nodeName.toLowerCase()}`)
    const workload = isStatic ? { workload: nodeName, workloadKind: 'Node' } : { workload: pod.name, workloadKind: 'Pod' }
    const made: Ownership = { owner: { namespace: pod.namespace, pod: pod.name, container, ...workload }, attribution: 'cgroup' }
    answers.set(container, made)
    return made
  }
}
