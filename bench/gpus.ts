// One collection of GPUs and the processes on them, from dcgm-exporter, kubelet and a libnvidia-ml of the tests' own: what it takes of
// the event loop. Knows no real driver: how long that takes in its threads is not told here.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DcgmCollector } from '../src/collect/dcgm.ts'
import { mergedGpus } from '../src/collect/merged-gpus.ts'
import { NvmlCollector } from '../src/collect/nvml.ts'
import { GpuResolver } from '../src/resolve/gpus.ts'
import { createKubernetesNames, type KubernetesNames } from '../src/resolve/kubernetes/names.ts'
import { PodResources } from '../src/resolve/pod-resources.ts'
import { createDeviceStore } from '../src/store/devices.ts'
import { CGROUP_ROOT, makeCgroup } from '../test/harness/cgroups.ts'
import { Child } from '../test/harness/child.ts'
import { buildNvml, gpusScript, NvmlScript } from '../test/harness/nvml.ts'
import { Undo } from '../test/harness/undo.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'

const GPUS = 8
const PROCESSES = 64
const WARM_UP = 5
const COLLECTIONS = 30
const LOOP_MS = 20
const PEERS = join(import.meta.dirname, 'gpu-peers.ts')

export const TITLE = 'GPUs'

export async function gpus(): Promise<Section> {
  const undo = new Undo()
  const loop: number[] = []
  const cpu: number[] = []
  const wall: number[] = []
  try {
    const pids = Array.from({ length: PROCESSES }, (_, index) => processOf(undo, index))
    const lists = Array.from({ length: GPUS }, (_, index) => listsOf(pids, index))
    new NvmlScript(undo, { ...gpusScript(GPUS), ...Object.assign({}, ...lists) })
    const { dcgm, kubelet } = await peers(undo)
    const nvml = new NvmlCollector({ mode: 'on', paths: [buildNvml()], cgroupRoot: CGROUP_ROOT })
    const resolver = new GpuResolver(namesOf().workloads)
    const store = createDeviceStore()
    for (let i = 0; i < WARM_UP + COLLECTIONS; i++) {
      const began = performance.now()
      const before = performance.eventLoopUtilization()
      const cpuBefore = process.threadCpuUsage()
      const [fromDcgm, fromNvml, held] = await Promise.all([dcgm.collect(), nvml.collect(), kubelet.ask()])
      const processes = fromNvml?.processes ?? []
      const samples = mergedGpus(fromDcgm, fromNvml?.samples ?? [])
      const seen = { samples, processes, holdings: held?.holdings }
      await resolver.ensure(seen)
      const gpus = resolver.gpus(seen)
      store.families({ gpus, processes: resolver.processes(processes) })
      const owned = gpus.filter(({ owner }) => owner.pod !== '').length
      if (owned !== GPUS || processes.length !== PROCESSES) throw new Error(`${owned} GPUs with a pod, ${processes.length} processes`)
      if (i < WARM_UP) continue
      const { user, system } = process.threadCpuUsage(cpuBefore)
      cpu.push((user + system) / 1000)
      loop.push(performance.eventLoopUtilization(before).active)
      wall.push(performance.now() - began)
    }
    await nvml.close()
  } finally {
    await undo.all()
  }
  return {
    title: TITLE,
    method: `${GPUS} GPUs with ${PROCESSES} processes in as many cgroups, dcgm-exporter and kubelet in a process of their own, a shared library in the place of NVIDIA's whose PCIe throughput takes the driver's 20 ms a call. ${COLLECTIONS} collections, from the first call to the finished families.`,
    head: ['', 'ms', 'target'],
    rows: [
      ["CPU of the loop's thread", spread(cpu, digits(1)), ''],
      ['event loop busy, with what others took of its core', spread(loop, digits(1)), below(quantile(loop, 0.75), LOOP_MS, ' ms')],
      ['from begin to end', spread(wall, digits(0)), ''],
    ],
  }
}

/** As on a node without an API server. */
function namesOf(): KubernetesNames {
  return createKubernetesNames({
    nodeName: 'node',
    api: false,
    peers: 'off',
    peerNodes: false,
    podLogsDirectory: '/nowhere',
    partialRoot: false,
  })
}

/** Neither keeps an answer for the next collection. */
async function peers(undo: Undo): Promise<{ readonly dcgm: DcgmCollector; readonly kubelet: PodResources }> {
  const child = new Child(undo, process.execPath, [PEERS, String(GPUS)])
  const { url, socket } = JSON.parse(await child.line()) as { readonly url: string; readonly socket: string }
  let asked = 0
  const dcgm = new DcgmCollector({ url, staleMs: 60_000, freshMs: 0 })
  const kubelet = new PodResources({ socket, now: () => asked++ * 2000 })
  const close = async (): Promise<void> => {
    kubelet.close()
    await dcgm.close()
    // It takes its socket's folder away.
    child.closeInput()
    await child.end()
  }
  undo.add({ gently: close, atOnce: () => undefined })
  return { dcgm, kubelet }
}

function processOf(undo: Undo, index: number): number {
  const { directory } = makeCgroup(undo, `gpu-${index}`)
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  const kill = (): void => void child.kill('SIGKILL')
  undo.add({ gently: kill, atOnce: kill })
  const pid = child.pid ?? 0
  writeFileSync(join(directory, 'cgroup.procs'), String(pid))
  return pid
}

function listsOf(pids: readonly number[], gpu: number): Record<string, string> {
  const own = pids.filter((_, index) => index % GPUS === gpu)
  const now = Date.now() * 1000
  return {
    [`${gpu}.compute`]: own.map((pid) => `${pid}:1073741824`).join(','),
    [`${gpu}.samples`]: own.map((pid) => `${pid}:${now}:12`).join(','),
  }
}
