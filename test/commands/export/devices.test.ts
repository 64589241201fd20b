// Sources at their own boundaries; the store and the resolver are the real ones.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Devices, openDevices } from '../../../src/commands/export/devices.ts'
import type { Listener } from '../../../src/commands/export/source.ts'
import { type Config, loadConfig } from '../../../src/config.ts'
import type { WantedNames, WorkloadNames } from '../../../src/resolve/gpus.ts'
import { CGROUP_ROOT } from '../../harness/cgroups.ts'
import { DcgmExporter, dcgmText } from '../../harness/dcgm-exporter.ts'
import { TRAINING } from '../../harness/gpu-machine.ts'
import { Kubelet } from '../../harness/kubelet.ts'
import { Undo } from '../../harness/undo.ts'

interface Bench {
  readonly undo: Undo
  readonly dcgm: DcgmExporter
  readonly kubelet: Kubelet
  readonly said: string[]
  readonly open: (settings?: Readonly<Record<string, string>>, names?: WorkloadNames) => Promise<Devices>
}

async function onMachine(body: (bench: Bench) => Promise<void>): Promise<void> {
  const undo = new Undo()
  try {
    const dcgm = await DcgmExporter.start(undo, dcgmText('today'))
    const kubelet = await Kubelet.start(undo, TRAINING)
    const said: string[] = []
    const listener: Listener = {
      collected: (collector) => said.push(`${collector} up`),
      collectionFailed: (collector, reason) => said.push(`${collector} down: ${reason}`),
      collectedPartly: () => undefined,
      warn: () => undefined,
      info: () => undefined,
    }
    const open: Bench['open'] = async (settings = {}, names) => {
      const config = await configOf({ ORB8_NVML: 'off', ORB8_DCGM_URL: dcgm.url, ORB8_POD_RESOURCES_SOCKET: kubelet.socket, ...settings })
      const devices = await openDevices(config, { cgroupRoot: CGROUP_ROOT, threads: 2, listener, ...(names && { names }) })
      undo.add({ gently: () => devices.close(), atOnce: () => undefined })
      return devices
    }
    await body({ undo, dcgm, kubelet, said, open })
  } finally {
    await undo.all()
  }
}

async function configOf(env: Readonly<Record<string, string>>): Promise<Config> {
  return (await loadConfig({ env })).config
}

async function ownersOf(devices: Devices): Promise<readonly string[]> {
  const power = (await devices.collect()).find(({ metric }) => metric.name === 'orb8_gpu_power_watts')
  return (power?.samples ?? []).map(({ labels }) => labels.slice(0, 5).join('/'))
}

t.test('GPUs get the workload that their pod is known to be of', (t: Test) =>
  onMachine(async ({ open, said }) => {
    t.strictSame(await ownersOf(await open()), ['ml/train-0/main/train-0/Pod', '////'], 'without Kubernetes')
    t.strictSame(said, ['dcgm up', 'pod_resources up'])
    const asked: WantedNames[] = []
    const names: WorkloadNames = {
      ensure: async (wanted) => void asked.push(wanted),
      ofPod: (namespace, pod, container) => ({ namespace, pod, container, workload: 'train', workloadKind: 'StatefulSet' }),
      ofCgroup: () => ({ namespace: '', pod: '', container: '', workload: '', workloadKind: '' }),
    }
    t.strictSame(await ownersOf(await open({}, names)), ['ml/train-0/main/train/StatefulSet', '////'])
    t.match(
      asked,
      [
        {
          paths: [],
          pods: [
            { namespace: 'ml', pod: 'train-0' },
            { namespace: 'ml', pod: 'train-0' },
          ],
        },
      ],
      'kubelet and dcgm',
    )
  }),
)

t.test('a machine without devices asks nobody who holds them', (t: Test) =>
  onMachine(async ({ open, said, kubelet }) => {
    t.strictSame(await (await open({ ORB8_DCGM_URL: '' })).collect(), [])
    t.equal(kubelet.lists, 0)
    t.strictSame(said, [])
  }),
)

t.test('whoever names workloads and fails takes the devices with him, and nothing else', (t: Test) =>
  onMachine(async ({ open, said }) => {
    const broken = (): never => {
      throw new TypeError('no such thing')
    }
    t.strictSame(await (await open({}, { ensure: async () => undefined, ofPod: broken, ofCgroup: broken })).collect(), [])
    t.strictSame(said, ['dcgm up', 'pod_resources up', 'devices down: internal'])
  }),
)

t.test('what was read is good for three intervals', (t: Test) =>
  onMachine(async ({ open, dcgm, said }) => {
    dcgm.text = `DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1"} 70 ${Date.now() - 5000}\n`
    t.equal((await ownersOf(await open({ ORB8_COLLECT_INTERVAL: '2s' }))).length, 1)
    t.equal(said.shift(), 'dcgm up')
    said.length = 0
    t.equal((await ownersOf(await open({ ORB8_COLLECT_INTERVAL: '1s' }))).length, 0)
    t.strictSame(said, ['dcgm down: stale'])
  }),
)

t.test('a file of authorities that is none ends the start, naming the setting', (t: Test) =>
  onMachine(async ({ open }) => {
    const path = join(t.testdir({}), 'authorities.pem')
    await t.rejects(open({ ORB8_DCGM_CA_FILE: path }), /cannot use ORB8_DCGM_CA_FILE: it cannot be read/)
    writeFileSync(path, 'nothing')
    await t.rejects(open({ ORB8_DCGM_CA_FILE: path }), /cannot use ORB8_DCGM_CA_FILE: no certificate is in it/)
  }),
)
