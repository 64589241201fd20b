// Names for what pods hold and processes do beside their traffic, the same as their flows have. Knows who is asked in which order;
// nothing of devices.
import type { Owner } from '../../model.ts'
import { identifyCgroup } from '../cgroup-path.ts'
import { plainOwner, type WantedNames, type WorkloadNames } from '../gpus.ts'
import type { OwnPods } from './own-pods.ts'
import type { Owners } from './owners.ts'
import type { PodLogs } from './pod-logs.ts'

export interface WorkloadsSources {
  readonly pods: OwnPods
  readonly logs: PodLogs
  readonly owners: Owners
}

export class Workloads implements WorkloadNames {
  readonly #sources: WorkloadsSources

  constructor(sources: WorkloadsSources) {
    this.#sources = sources
  }

  async ensure({ paths, pods }: WantedNames): Promise<void> {
    const { owners, logs, pods: known } = this.#sources
    await owners.ensureProcesses(paths.filter((path) => path !== '').map(identifyCgroup))
    const strangers = pods.filter(({ namespace, pod }) => !known.has(namespace, pod))
    if (strangers.length > 0) await logs.ensure([], strangers)
  }

  ofPod(namespace: string, pod: string, container: string): Owner {
    const { pods, logs } = this.#sources
    const told = pods.byName(namespace, pod, container) ?? logs.byName(namespace, pod, container)
    return told?.owner ?? plainOwner(namespace, pod, container)
  }

  ofCgroup(cgroup: bigint, path: string): Owner | undefined {
    return this.#sources.owners.ofProcess(cgroup, path === '' ? undefined : identifyCgroup(path))?.owner
  }
}
