import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CLOCK, Nvml, PCIE } from '../../src/kernel/nvml.ts'
import { openNvmlLibrary } from '../../src/kernel/nvml-library.ts'
import { until } from '../harness/child.ts'
import { buildNvml, gpusScript, NvmlScript, type Script, type Without } from '../harness/nvml.ts'
import { Undo } from '../harness/undo.ts'

async function withNvml(
  t: Test,
  changes: Script,
  body: (nvml: Nvml, script: NvmlScript) => Promise<void>,
  without: readonly Without[] = [],
): Promise<void> {
  const undo = new Undo()
  const script = new NvmlScript(undo, { ...gpusScript(2), ...changes })
  try {
    const nvml = await openedNvml(t, without)
    await body(nvml, script)
    script.change({ '0.hang_ms': 0, '1.hang_ms': 0 })
    await until('NVML to close', () => nvml.close())
  } finally {
    await undo.all()
  }
}

async function openedNvml(t: Test, without: readonly Without[] = []): Promise<Nvml> {
  const library = openNvmlLibrary([buildNvml(...without)])
  if (library === undefined) return t.bailout('no library') as never
  return Nvml.open(library)
}

const pids = (count: number): string =>
  Array.from({ length: count }, (_, index) => `${1000 + index}:${(index + 1) * 4096}:${index % 7}:0`).join(',')

t.test('figures come in base units', (t) =>
  withNvml(t, {}, async (nvml) => {
    t.equal(await nvml.driverVersion(), '580.159.04')
    t.equal(await nvml.deviceCount(), 2)
    const device = await nvml.device(1)
    t.equal(await nvml.uuid(device), 'GPU-1')
    t.equal(await nvml.model(device), 'NVIDIA H100 80GB HBM3')
    t.equal(await nvml.minor(device), 1)
    t.equal(await nvml.isMig(device), false)
    t.equal(await nvml.utilization(device), 0.37)
    t.strictSame(await nvml.memory(device), { totalBytes: 85_520_809_984, usedBytes: 1_073_741_824 })
    t.equal(await nvml.powerWatts(device), 250.123)
    t.equal(await nvml.temperatureCelsius(device), 44)
    t.equal(await nvml.energyJoules(device), 123_456.789)
    t.equal(await nvml.clockHertz(device, CLOCK.sm), 1.98e9)
    t.equal(await nvml.clockHertz(device, CLOCK.memory), 2.619e9)
    t.equal(await nvml.pcieBytesPerSecond(device, PCIE.egress), 1_200_000)
    t.equal(await nvml.pcieBytesPerSecond(device, PCIE.ingress), 300_000)
  }),
)

for (const [name, stride, without, instances] of [
  ['24 bytes a process', 24, [], true],
  ['32 bytes a process, as drivers 535.43 to 535.86 write them', 32, [], true],
  ['16 bytes under the third name', 16, [], false],
  ['no third version', 24, ['V3'], true],
  ['the first version alone', 24, ['V3', 'V2'], false],
] as const) {
  t.test(`processes are read from a driver with ${name}`, (t) =>
    withNvml(
      t,
      { stride },
      async (nvml, script) => {
        const device = await nvml.device(0)
        for (const count of [0, 1, 2, 3, 64, 65, 300]) {
          script.change({ '0.compute': pids(count) })
          const found = await nvml.processes(device, 'compute')
          t.equal(found?.length, count)
          for (const [index, { pid, memoryBytes, gpuInstance }] of (found ?? []).entries()) {
            if (pid !== 1000 + index || memoryBytes !== (index + 1) * 4096 || gpuInstance !== (instances ? index % 7 : undefined))
              t.fail(`process ${index} of ${count}: ${pid} ${memoryBytes} ${gpuInstance}`)
          }
        }
      },
      without,
    ),
  )
}

t.test('memory that the driver does not tell is not known, a whole GPU is no instance', (t) =>
  withNvml(t, { '0.compute': '1000:na,1001:5' }, async (nvml) => {
    t.strictSame(await nvml.processes(await nvml.device(0), 'compute'), [
      { pid: 1000, memoryBytes: undefined, gpuInstance: undefined },
      { pid: 1001, memoryBytes: 5, gpuInstance: undefined },
    ])
  }),
)

t.test('a list that nobody would read to its end is an error', (t) =>
  withNvml(t, { '0.compute': pids(4200) }, async (nvml) => {
    await t.rejects(nvml.processes(await nvml.device(0), 'compute'), { name: 'NvmlError', reason: 'more than 4096', failure: 'other' })
  }),
)

for (const without of [[], ['PROCESS_UTILIZATION']] as const) {
  t.test(`utilization of processes comes with their moments, without ${without.join() || 'nothing'}`, (t) =>
    withNvml(
      t,
      { '0.samples': '1000:5000000:40,1001:6000000:20' },
      async (nvml) => {
        const device = await nvml.device(0)
        t.strictSame(await nvml.processUtilization(device, 1), [
          { pid: 1000, timeUs: 5_000_000, sm: 40 },
          { pid: 1001, timeUs: 6_000_000, sm: 20 },
        ])
        t.strictSame(await nvml.processUtilization(device, 5_000_000), [{ pid: 1001, timeUs: 6_000_000, sm: 20 }])
        t.strictSame(await nvml.processUtilization(device, 6_000_000), [], 'NOT_FOUND is no error')
        t.strictSame(await nvml.processUtilization(await nvml.device(1), 0), [])
      },
      without,
    ),
  )
}

t.test('what a device does not have is undefined, what fails says why in one of few words', (t) =>
  withNvml(t, {}, async (nvml, script) => {
    const device = await nvml.device(0)
    for (const [code, failure] of [
      [1, 'driver'],
      [4, 'permission'],
      [9, 'driver'],
      [10, 'timeout'],
      [15, 'lost'],
      [16, 'lost'],
      [18, 'driver'],
      [999, 'other'],
    ] as const) {
      script.change({ '0.error.nvmlDeviceGetPowerUsage': code })
      await t.rejects(nvml.powerWatts(device), { name: 'NvmlError', failure })
    }
    for (const code of [3, 13, 21]) {
      script.change({ '0.error.nvmlDeviceGetPowerUsage': code })
      t.equal(await nvml.powerWatts(device), undefined)
    }
    t.equal(await nvml.powerWatts(await nvml.device(1)), 250.123, 'the other device is not concerned')
  }),
)

t.test('a driver before 510 tells memory in its first version', (t) =>
  withNvml(
    t,
    {},
    async (nvml) => {
      const memory = await nvml.memory(await nvml.device(0))
      t.strictSame(memory, { totalBytes: 85_520_809_984, usedBytes: 1_073_741_824 + (512 << 20) })
    },
    ['MEMORY_V2'],
  ),
)

t.test('MIG devices are found with gaps between them', (t) =>
  withNvml(
    t,
    {
      '0.mig': 1,
      '0.mig.0.uuid': 'MIG-a',
      '0.mig.0.gi': 7,
      '0.mig.0.slices': 1,
      '0.mig.0.megabytes': 9728,
      '0.mig.3.uuid': 'MIG-b',
      '0.mig.3.gi': 2,
    },
    async (nvml) => {
      const device = await nvml.device(0)
      t.equal(await nvml.isMig(device), true)
      const [first, second, ...more] = await nvml.migDevices(device)
      t.same(more, [])
      if (first === undefined || second === undefined) throw new Error('too few')
      t.equal(await nvml.uuid(first), 'MIG-a')
      t.equal(await nvml.uuid(second), 'MIG-b')
      t.equal(await nvml.gpuInstance(first), 7)
      t.strictSame(await nvml.slices(first), { gpu: 1, compute: 1, megabytes: 9728 })
      t.equal(await nvml.slices(second), undefined)
      t.equal(await nvml.processUtilization(device, 0), undefined, 'MIG tells no utilization of processes')
    },
  ),
)

t.test('an error of a device is told once to who listens', (t) =>
  withNvml(t, {}, async (nvml, script) => {
    t.strictSame(await nvml.xidEvents(), [], 'nobody listens yet')
    const [first, second] = [await nvml.device(0), await nvml.device(1)]
    t.equal(await nvml.listen(first), true)
    t.equal(await nvml.listen(second), true)
    t.strictSame(await nvml.xidEvents(), [])
    script.change({ '0.xid': 79, '0.xid.seq': 1, '1.xid': 13, '1.xid.seq': 1 })
    t.strictSame(await nvml.xidEvents(), [
      { device: first, xid: 79 },
      { device: second, xid: 13 },
    ])
    t.strictSame(await nvml.xidEvents(), [])
  }),
)

t.test('a call that hangs leaves threads for files, for other devices, and keeps the library loaded', (t) =>
  withNvml(t, {}, async (nvml, script) => {
    const [first, second] = [await nvml.device(0), await nvml.device(1)]
    script.change({ '0.hang_ms': 3000 })
    let ended = false
    const hanging = nvml.powerWatts(first).finally(() => {
      ended = true
    })
    t.equal(await nvml.powerWatts(second), 250.123)
    t.match(await readFile('/proc/self/stat', 'latin1'), String(process.pid))
    t.equal(ended, false)
    t.equal(nvml.callsUnderWay, 1)
    t.equal(await nvml.close(), false)
    await t.rejects(nvml.powerWatts(second), { name: 'NvmlError', failure: 'driver' }, 'closed is closed')
    t.equal(await hanging, 250.123)
    t.equal(await nvml.close(), true)
  }),
)

t.test('every device may hang and files are read all the same', (t) =>
  withNvml(t, {}, async (nvml, script) => {
    const devices = [await nvml.device(0), await nvml.device(1)]
    script.change({ '0.hang_ms': 2000, '1.hang_ms': 2000 })
    let ended = 0
    const hanging = Promise.all(
      [...devices, ...devices, ...devices].map((device) =>
        nvml.temperatureCelsius(device).finally(() => {
          ended++
        }),
      ),
    )
    t.match(await readFile('/proc/self/stat', 'latin1'), String(process.pid))
    t.equal(ended, 0)
    script.change({ '0.hang_ms': 0, '1.hang_ms': 0 })
    t.strictSame(await hanging, Array(6).fill(44))
  }),
)

t.test('a driver that is not loaded is an error with its remedy', async (t) => {
  const undo = new Undo()
  new NvmlScript(undo, { init: 9 })
  await t.rejects(openedNvml(t), { name: 'NvmlError', code: 'DRIVER_NOT_LOADED', failure: 'driver', remedy: /nvidia-smi/ })
  await undo.all()
})

t.test('the first library that is there is taken; one that is no library is an error', async (t) => {
  t.equal(openNvmlLibrary(['libnvidia-ml-of-nobody.so.1', '/nonexistent/libnvidia-ml.so.1']), undefined)
  const broken = join(t.testdir({}), 'libnvidia-ml.so.1')
  writeFileSync(broken, 'not ELF')
  t.throws(() => openNvmlLibrary(['/nonexistent/libnvidia-ml.so.1', broken]), { name: 'KernelError', deed: `load ${broken}` })
  const library = openNvmlLibrary(['libnvidia-ml-of-nobody.so.1', buildNvml()])
  t.equal(library?.path, buildNvml())
  library?.unload()
})
