// The exporter as a pod of a cluster: memory with names of 10,000 pods and 1,000 sample lines, as the image bundles it and as it is built.
// Knows how it is started.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Authority } from '../../test/harness/authority.ts'
import { run } from '../../test/harness/child.ts'
import { Exporter, type ExporterOptions } from '../../test/harness/exporter.ts'
import { KubeNode } from '../../test/harness/kube-node.ts'
import { Site } from '../../test/harness/site.ts'
import { metric, residentMiB } from '../exporter.ts'
import { ManyFlows, PORTS } from '../many-flows.ts'
import { numbered } from './pods.ts'

const BUNDLE = join(import.meta.dirname, '..', '..', 'scripts', 'bundle.ts')
/** Whose threads wait for each other in a loop never end where all of them are real time, as the bench itself may be. */
const ORDINARY = ['chrt', '-o', '0'] as const
const PODS = 10_000
const SCRAPES = 20
/** The exporter gives freed memory back five seconds after its lists. */
const SETTLE_MS = 8000
/** So that nothing else on this machine has series of its own, or not for long. */
const env = { ORB8_FLOW_LABELS: 'workload,workload_kind,port,direction', ORB8_SERIES_LIMIT: '1000' }

export interface Whole {
  readonly lines: number
  readonly pods: number
  readonly rssMiB: number
  readonly bundledMiB: number
  /** Bundled, without Kubernetes. */
  readonly withoutMiB: number
}

export async function wholeExporter(): Promise<Whole> {
  const site = new Site()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-bench-whole-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    site.undo.add({ gently: remove, atOnce: remove })
    const ca = new Authority(folder)
    const kube = await KubeNode.make(site, { certificate: ca.server('api-server'), tokens: ['bench'] })
    for (let index = 0; index < PODS; index++) kube.api.put(numbered(index))
    const flows = await ManyFlows.open(site.undo, 1)
    run(...ORDINARY, process.execPath, BUNDLE, join(folder, 'bundle'))
    const program = join(folder, 'bundle', 'dist', 'cli.js')
    const inCluster = kube.podOptions(ca, 'bench', { env })
    const without = await resident(site, flows, { env, program })
    const bundled = await resident(site, flows, { ...inCluster, program })
    const built = await resident(site, flows, inCluster)
    return { ...built, bundledMiB: bundled.rssMiB, withoutMiB: without.rssMiB }
  } finally {
    await site.undo.all()
  }
}

async function resident(site: Site, flows: ManyFlows, options: ExporterOptions): Promise<Omit<Whole, 'bundledMiB' | 'withoutMiB'>> {
  const exporter = await Exporter.start(site.undo, { ...options, wrapper: [...ORDINARY, ...(options.wrapper ?? [])] })
  for (let i = 0; i < SCRAPES; i++) {
    await flows.send(PORTS)
    await exporter.scrape()
  }
  await sleep(SETTLE_MS)
  const [lines, pods] = [await metric(exporter, 'orb8_series'), await metric(exporter, 'orb8_k8s_pods_tracked')]
  const rssMiB = residentMiB(exporter.pid)
  await exporter.stop()
  return { lines, pods, rssMiB }
}
