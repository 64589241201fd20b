// A machine with two GPUs as the exporter meets it: dcgm-exporter, kubelet and a driver's library, each at its own boundary. Knows
// how the exporter is told of them.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DcgmExporter, dcgmText } from './dcgm-exporter.ts'
import { holder, Kubelet, type KubeletSays } from './kubelet.ts'
import { buildNvml, gpusScript, NvmlScript } from './nvml.ts'
import type { Undo } from './undo.ts'

/** As in the text `today` of dcgm-exporter. */
export const GPUS = ['GPU-c4529c8d-69c4-b61d-e0bc-7b2460096005', 'GPU-bc5610b9-79c8-fedd-8899-07539c7f868a'] as const

export interface GpuMachine {
  readonly dcgm: DcgmExporter
  readonly kubelet: Kubelet
  readonly driver: NvmlScript
  /** For an exporter that is to use all three. */
  readonly env: Readonly<Record<string, string>>
}

export const TRAINING: KubeletSays = {
  pods: [holder('train-0', 'nvidia.com/gpu', GPUS[0])],
  allocatable: { 'nvidia.com/gpu': GPUS },
}

/** The same container holds the device of that id beside its GPU. */
export function trainingWith(rdma: string): KubeletSays {
  const devices = [
    { resource_name: 'nvidia.com/gpu', device_ids: [GPUS[0]] },
    { resource_name: 'rdma/hca', device_ids: [rdma] },
  ]
  return { ...TRAINING, pods: [{ name: 'train-0', namespace: 'ml', containers: [{ name: 'main', devices }] }] }
}

export async function gpuMachine(undo: Undo): Promise<GpuMachine> {
  const dcgm = await DcgmExporter.start(undo, dcgmText('today'))
  const kubelet = await Kubelet.start(undo, TRAINING)
  const driver = new NvmlScript(undo, { ...gpusScript(2), '0.uuid': GPUS[0], '1.uuid': GPUS[1] })
  const libraries = mkdtempSync(join(tmpdir(), 'orb8-driver-'))
  const remove = (): void => rmSync(libraries, { recursive: true, force: true })
  undo.add({ gently: remove, atOnce: remove })
  copyFileSync(buildNvml(), join(libraries, 'libnvidia-ml.so.1'))
  const env = {
    ORB8_DCGM_URL: dcgm.url,
    ORB8_POD_RESOURCES_SOCKET: kubelet.socket,
    ORB8_NVML: 'on',
    ORB8_TEST_NVML: process.env.ORB8_TEST_NVML ?? '',
    LD_LIBRARY_PATH: libraries,
  }
  return { dcgm, kubelet, driver, env }
}
