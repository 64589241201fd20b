import t from 'tap'
import { DcgmDevices } from '../../src/collect/dcgm-devices.ts'
import { dcgmText } from '../harness/dcgm-exporter.ts'

const MEBIBYTE = 2 ** 20
const H100 = 'NVIDIA H100 80GB HBM3'
const FIRST = { uuid: 'GPU-c4529c8d-69c4-b61d-e0bc-7b2460096005', index: '0', minor: '0', model: H100 }
const NO_MIG = { migProfile: '', migInstance: '', migUuids: [] }
const TRAIN = { namespace: 'ml', pod: 'train-0', container: 'main', share: false }

function read(text: string, oldestMs?: number): DcgmDevices {
  const devices = new DcgmDevices(oldestMs)
  for (const line of text.split('\n')) devices.add(line)
  return devices
}

const BUSY = {
  smClockHertz: 1980e6,
  memoryClockHertz: 2619e6,
  temperatureCelsius: 62,
  powerWatts: 512.417,
  energyJoules: 9_876_543.21,
  utilization: 0.97,
  lastXid: 13,
  memoryUsedBytes: 73_004 * MEBIBYTE,
  memoryTotalBytes: (73_004 + 8085 + 470) * MEBIBYTE,
  smActive: 0.81,
  tensorActive: 0.4125,
  dramActive: 0.350001,
  pcieEgress: 1_234_567_890,
  pcieIngress: 987_654_321,
}

t.test('a GPU of today, in base units, with its pod; links, switches and CPUs are none', async (t) => {
  const devices = read(dcgmText('today'))
  const [first, second, ...others] = devices.samples()
  t.strictSame(others, [])
  t.equal(devices.malformed, 0)
  t.same(first, { device: { ...FIRST, ...NO_MIG }, readings: BUSY, holders: [TRAIN] })
  t.equal(second?.device.uuid, 'GPU-bc5610b9-79c8-fedd-8899-07539c7f868a')
  t.equal(second?.holders, undefined, 'nobody holds it')
  t.equal(second?.readings.utilization, 0)
  t.equal(second?.readings.smActive, undefined, 'a counter that it lacks')
})

t.test('the coming release, with labels of resource claims, says the same', async (t) => {
  t.same(read(dcgmText('lower-hostname')).samples(), read(dcgmText('today')).samples())
})

t.test('1.x: other names for metrics, devices and pods; empty pod labels are no pod', async (t) => {
  const [first, second] = read(dcgmText('1.x')).samples()
  t.same(first, {
    device: { uuid: 'GPU-8f640a3c-7e9a-608d-02a3-f4372d72b323', index: '0', minor: '', model: '', ...NO_MIG },
    readings: {
      smClockHertz: 1380e6,
      memoryClockHertz: 877e6,
      temperatureCelsius: 44,
      powerWatts: 231.737,
      energyJoules: 1180.459,
      pcieEgress: 2.5e6,
      pcieIngress: 1.5e6,
      utilization: 0.86,
      lastXid: 31,
      memoryUsedBytes: 16_000 * MEBIBYTE,
      memoryTotalBytes: 16_130 * MEBIBYTE,
      tensorActive: 0.5,
      dramActive: 0.25,
    },
    holders: [{ namespace: 'vision', pod: 'resnet', container: 'tf', share: false }],
  })
  t.equal(second?.holders, undefined)
})

t.test('through a Prometheus: the renamed labels name the pod, the plain ones are of dcgm-exporter itself', async (t) => {
  const [first, second] = read(dcgmText('federated')).samples()
  t.same(first?.holders, [TRAIN])
  t.equal(second?.holders, undefined)
  t.equal(first?.readings.powerWatts, 512.417)
})

t.test('a line with a time too long ago is not believed', async (t) => {
  t.equal(read(dcgmText('federated'), 1_790_000_000_000).samples().length, 2)
  const late = read(dcgmText('federated'), 1_790_000_000_001)
  t.strictSame(late.samples(), [])
  t.equal(late.isDcgm, true)
  t.ok(late.stale > 0)
})

t.test("MIG: instances have what is theirs, and what is the GPU's is told once", async (t) => {
  const mig = { uuid: 'GPU-d6dd33b9-e50e-997c-f303-c8f7312fa498', index: '0', minor: '0', model: 'NVIDIA A100 80GB PCIe', migUuids: [] }
  const readings = { memoryTotalBytes: 9816 * MEBIBYTE, dramActive: 0.1 }
  t.same(read(dcgmText('mig')).samples(), [
    {
      device: { ...mig, migProfile: '', migInstance: '' },
      readings: {
        smClockHertz: 1410e6,
        memoryClockHertz: 1512e6,
        temperatureCelsius: 41,
        powerWatts: 150.5,
        energyJoules: 555,
        lastXid: 0,
      },
    },
    {
      device: { ...mig, migProfile: '1g.10gb', migInstance: '7' },
      readings: { ...readings, memoryUsedBytes: 8543 * MEBIBYTE, utilization: 0.5, smActive: 0.5 },
      holders: [{ namespace: 'ml', pod: 'small-1', container: 'serve', share: false }],
    },
    {
      device: { ...mig, migProfile: '1g.10gb', migInstance: '8' },
      readings: { ...readings, memoryUsedBytes: 12 * MEBIBYTE, utilization: 0, smActive: 0 },
    },
  ])
})

t.test('pods that share a GPU repeat its rows: it is told once, and what each has of it adds up', async (t) => {
  const [first, ...others] = read(dcgmText('virtual')).samples()
  t.strictSame(others, [])
  t.same(
    first?.holders,
    [0, 1, 2].map((n) => ({ namespace: 'ml', pod: `notebook-${n}`, container: 'main', share: true })),
  )
  t.equal(first?.readings.powerWatts, 512.417, 'the same in each row')
  t.equal(first?.readings.utilization, 0.65)
  t.equal(first?.readings.memoryUsedBytes, 30_000 * MEBIBYTE)
  t.equal(first?.readings.memoryTotalBytes, undefined, 'parts and what is free make no total')
})

t.test('of pods that share a GPU whose total is told, what is used is what is not free', async (t) => {
  const total = 'DCGM_FI_DEV_FB_TOTAL{gpu="0",UUID="GPU-c4529c8d-69c4-b61d-e0bc-7b2460096005",pod="notebook-0",vgpu="0"} 81559'
  t.equal(read(`${dcgmText('virtual')}${total}`).samples()[0]?.readings.memoryUsedBytes, (81_559 - 8085 - 470) * MEBIBYTE)
})

t.test('releases that only repeat the rows mean the whole by each', async (t) => {
  const row = (field: string, pod: number, value: number) =>
    `DCGM_FI_DEV_${field}{gpu="0",UUID="GPU-1",pod="p${pod}",vgpu="${pod}"} ${value}\n`
  const [first] = read(
    [0, 1].map((pod) => row('GPU_UTIL', pod, 40) + row('FB_USED', pod, 100) + row('FB_FREE', pod, 900)).join(''),
  ).samples()
  t.same(first?.readings, { utilization: 0.4, memoryUsedBytes: 100 * MEBIBYTE, memoryTotalBytes: 1000 * MEBIBYTE })
})

t.test("a row without a pod beside rows of pods is the GPU's own", async (t) => {
  const row = (labels: string, value: number) => `DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1"${labels}} ${value}\n`
  const [first] = read(row('', 500) + row(',pod="a",vgpu="0"', 100) + row(',pod="b",vgpu="1"', 200)).samples()
  t.equal(first?.readings.memoryUsedBytes, 500 * MEBIBYTE)
})

t.test('what stands for no value is none, whatever its form', async (t) => {
  const devices = read(dcgmText('blanks'))
  const [only] = devices.samples()
  t.same(only?.readings, {})
  t.equal(devices.malformed, 2, 'two that are no numbers')
})

t.test('utilization comes from the engines where nothing better is counted', async (t) => {
  const [first] = read('DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="GPU-1"} 0.25').samples()
  t.same(first?.readings, { utilization: 0.25 })
})

t.test('a ratio a hair above its whole is the whole, one far above is nothing', async (t) => {
  const line = (value: number) => read(`DCGM_FI_PROF_SM_ACTIVE{gpu="0",UUID="GPU-1"} ${value}`).samples()[0]?.readings.smActive
  t.strictSame([0.5, 1.003, 1.2, 55].map(line), [0.5, 1, undefined, undefined])
})

t.test('a page of something else is not dcgm-exporter, an empty list of its metrics is', async (t) => {
  t.equal(read('<html><a href="/metrics">').isDcgm, false)
  t.equal(read('# HELP node_load1 x\nnode_load1 3\n').isDcgm, false)
  t.equal(read('# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).\n').isDcgm, true)
})

t.test('more devices and rows than there can be are not kept', async (t) => {
  const rows = Array.from({ length: 1000 }, (_, index) => `DCGM_FI_DEV_GPU_TEMP{gpu="${index}",UUID="GPU-${index}"} 40`)
  const devices = read(rows.join('\n'))
  t.equal(devices.samples().length, 512)
  t.equal(devices.overlooked, 488)
})
