import t from 'tap'
import { mergedGpus } from '../../src/collect/merged-gpus.ts'
import type { GpuDevice, GpuReadings, GpuSample } from '../../src/model.ts'

const PLAIN: GpuDevice = { uuid: 'GPU-a', index: '0', minor: '', model: '', migProfile: '', migInstance: '', migUuids: [] }

function gpu(device: Partial<GpuDevice>, readings: GpuReadings): GpuSample {
  return { device: { ...PLAIN, ...device }, readings }
}

t.test("of a reading that both tell dcgm-exporter's stands, what only one tells stands too", async (t) => {
  const holders = [{ namespace: 'ml', pod: 'a', container: 'main', share: false }]
  const dcgm = { ...gpu({ minor: '3', model: 'H100' }, { powerWatts: 100, smActive: 0.5 }), holders }
  const nvml = gpu({ minor: '4', model: 'NVIDIA H100' }, { powerWatts: 101, temperatureCelsius: 40 })
  t.same(mergedGpus([dcgm], [nvml]), [
    { ...gpu({ minor: '4', model: 'H100' }, { powerWatts: 100, smActive: 0.5, temperatureCelsius: 40 }), holders },
  ])
})

t.test('one source alone is enough, and each device comes once, by index', async (t) => {
  const one = gpu({}, { powerWatts: 1 })
  const two = gpu({ uuid: 'GPU-b', index: '10' }, { powerWatts: 2 })
  const three = gpu({ uuid: 'GPU-c', index: '9' }, { powerWatts: 3 })
  t.same(mergedGpus([one], []), [one])
  t.same(mergedGpus([], [one]), [one])
  t.same(mergedGpus([two, one], [three]), [one, three, two])
})

t.test('a device without a UUID is the one of its index', async (t) => {
  t.same(mergedGpus([gpu({ uuid: '' }, { powerWatts: 1 })], [gpu({}, { powerWatts: 2 })]), [gpu({}, { powerWatts: 1 })])
  t.same(mergedGpus([gpu({ uuid: '' }, { powerWatts: 1 })], []), [gpu({ uuid: '' }, { powerWatts: 1 })])
})

t.test('what MIG instances have is not told of their GPU as well, whoever tells of either', async (t) => {
  const whole = gpu({}, { memoryUsedBytes: 10, memoryTotalBytes: 20, utilization: 0.5, smActive: 0.5, powerWatts: 7 })
  const instance = gpu({ migInstance: '7', migUuids: ['MIG-1'] }, { memoryUsedBytes: 10 })
  const wanted = [gpu({}, { powerWatts: 7 }), instance]
  t.same(mergedGpus([whole], [instance]), wanted)
  t.same(mergedGpus([instance], [whole]), wanted)
  t.same(mergedGpus([gpu({ migInstance: '7' }, { smActive: 0.25 })], [whole, instance]), [
    gpu({}, { powerWatts: 7 }),
    gpu({ migInstance: '7', migUuids: ['MIG-1'] }, { memoryUsedBytes: 10, smActive: 0.25 }),
  ])
})
