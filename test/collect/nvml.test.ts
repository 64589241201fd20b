import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { NvmlCollector, type NvmlCollectorOptions } from '../../src/collect/nvml.ts'
import type { GpuProcess } from '../../src/model.ts'
import { CGROUP_ROOT, type Cgroup } from '../harness/cgroups.ts'
import { Child, until } from '../harness/child.ts'
import { buildNvml, gpusScript, NvmlScript, type Script } from '../harness/nvml.ts'
import { Site } from '../harness/site.ts'

const LIBRARY = buildNvml()

interface Bench {
  readonly site: Site
  readonly script: NvmlScript
  readonly collector: NvmlCollector
}

/** A machine of two GPUs. Whatever hangs in it has ended when the test ends. */
function onGpus(
  changes: Script,
  body: (t: Test, bench: Bench) => Promise<void>,
  options: Partial<NvmlCollectorOptions> = {},
): (t: Test) => Promise<void> {
  return async (t) => {
    const site = new Site()
    const script = new NvmlScript(site.undo, { ...gpusScript(2), ...changes })
    const collector = new NvmlCollector({ mode: 'on', paths: [LIBRARY], cgroupRoot: CGROUP_ROOT, retryMs: 0, ...options })
    try {
      await body(t, { site, script, collector })
    } finally {
      await collector.close()
      await until('the last call to end', () => !collector.hangs)
      await site.undo.all()
    }
  }
}

function processIn(site: Site, { directory }: Cgroup): Child {
  const child = new Child(site.undo, 'sleep', ['600'])
  writeFileSync(join(directory, 'cgroup.procs'), String(child.pid))
  return child
}

const inodeOf = ({ directory }: Cgroup): bigint => statSync(directory, { bigint: true }).ino
const microsecondsAgo = (seconds: number): number => Math.round((Date.now() - seconds * 1000) * 1000)
const onDevice = (processes: readonly GpuProcess[] | undefined, uuid: string): readonly GpuProcess[] =>
  (processes ?? []).filter((process) => process.uuid === uuid)

t.test(
  'a device is told whole, and once',
  onGpus({}, async (t, { collector }) => {
    const collected = await collector.collect()
    t.equal(collected?.driverVersion, '580.159.04')
    t.equal(collected?.devices, 2)
    t.equal(collected?.failures.size, 0)
    t.strictSame(
      collected?.samples.map(({ device }) => device.uuid),
      ['GPU-0', 'GPU-1'],
    )
    t.strictSame(collected?.samples[1], {
      device: {
        uuid: 'GPU-1',
        index: '1',
        minor: '1',
        model: 'NVIDIA H100 80GB HBM3',
        migProfile: '',
        migInstance: '',
        migUuids: [],
      },
      readings: {
        utilization: 0.37,
        powerWatts: 250.123,
        temperatureCelsius: 44,
        energyJoules: 123_456.789,
        smClockHertz: 1.98e9,
        memoryClockHertz: 2.619e9,
        pcieEgress: 1_200_000,
        pcieIngress: 300_000,
        memoryUsedBytes: 1_073_741_824,
        memoryTotalBytes: 85_520_809_984,
        lastXid: 0,
      },
    })
  }),
)

t.test(
  'processes on a shared GPU are found in their cgroups with what they hold and use',
  onGpus({}, async (t, { site, script, collector }) => {
    const [first, second] = [site.cgroup('first'), site.cgroup('second')]
    const [a, b, c] = [processIn(site, first), processIn(site, first), processIn(site, second)]
    script.change({
      '0.compute': `${a.pid}:1000,${b.pid}:200,${c.pid}:na`,
      '0.graphics': `${b.pid}:300`,
      '0.samples': `${a.pid}:${microsecondsAgo(2)}:50,${c.pid}:${microsecondsAgo(8)}:20`,
      '1.compute': `${c.pid}:7`,
    })
    const collected = await collector.collect()
    const seen = { uuid: 'GPU-0', index: '0', migInstance: '', mps: false }
    const inFirst = { cgroup: inodeOf(first), cgroupPath: first.directory.slice(CGROUP_ROOT.length) }
    const inSecond = { cgroup: inodeOf(second), cgroupPath: second.directory.slice(CGROUP_ROOT.length) }
    t.strictSame(onDevice(collected?.processes, 'GPU-0'), [
      { ...seen, ...inFirst, pid: a.pid, memoryBytes: 1000, utilization: 0.5 },
      { ...seen, ...inFirst, pid: b.pid, memoryBytes: 300, utilization: 0 },
      { ...seen, ...inSecond, pid: c.pid, utilization: 0.2 },
    ])
    t.strictSame(onDevice(collected?.processes, 'GPU-1'), [
      { ...seen, uuid: 'GPU-1', index: '1', ...inSecond, pid: c.pid, memoryBytes: 7, utilization: 0 },
    ])
  }),
)

t.test(
  'clients of an MPS server are told apart from others, and once each',
  onGpus({}, async (t, { site, script, collector }) => {
    const child = processIn(site, site.cgroup('client'))
    script.change({ '0.compute': `${child.pid}:1000,${process.pid}:5`, '0.mps': `${child.pid}:1000` })
    const collected = await collector.collect()
    t.match(onDevice(collected?.processes, 'GPU-0'), [
      { pid: child.pid, mps: true, memoryBytes: 1000 },
      { pid: process.pid, mps: false },
    ])
  }),
)

t.test(
  'under MIG an instance has the memory, the whole GPU all else, processes their instance',
  onGpus(
    {
      '0.mig': 1,
      '0.mig.0.uuid': 'MIG-a',
      '0.mig.0.name': 'NVIDIA H100 80GB HBM3 MIG 1g.10gb',
      '0.mig.0.gi': 9,
      '0.mig.0.total': 10_000,
      '0.mig.0.used': 10,
      '0.mig.1.uuid': 'MIG-b',
      '0.mig.1.name': 'NVIDIA H100 80GB HBM3 MIG 1c.2g.20gb',
      '0.mig.1.gi': 3,
      '0.mig.1.total': 20_000,
      '0.mig.1.used': 20,
      '0.mig.2.uuid': 'MIG-c',
      '0.mig.2.gi': 3,
      '0.mig.2.total': 20_000,
      '0.mig.2.used': 20,
      '0.mig.4.uuid': 'MIG-d',
      '0.mig.4.gi': 5,
      '0.mig.4.slices': 4,
      '0.mig.4.megabytes': 40_192,
      '0.mig.4.total': 40_000,
      '0.mig.4.used': 40,
      '0.error.nvmlDeviceGetUtilizationRates': 3,
      '0.compute': `${process.pid}:100:3:0,${process.pid}:50:9:0`,
    },
    async (t, { collector }) => {
      const collected = await collector.collect()
      const [whole, ...instances] = collected?.samples.filter(({ device }) => device.uuid === 'GPU-0') ?? []
      t.match(whole?.readings, { powerWatts: 250.123, energyJoules: 123_456.789 })
      for (const absent of ['memoryUsedBytes', 'memoryTotalBytes', 'utilization']) t.notOk(absent in (whole?.readings ?? {}), absent)
      t.strictSame(
        instances.map(({ device, readings }) => [device.migInstance, device.migProfile, device.migUuids, readings]),
        [
          ['9', '1g.10gb', ['MIG-a'], { memoryUsedBytes: 10, memoryTotalBytes: 10_000 }],
          ['3', '2g.20gb', ['MIG-b', 'MIG-c'], { memoryUsedBytes: 20, memoryTotalBytes: 20_000 }],
          ['5', '4g.40gb', ['MIG-d'], { memoryUsedBytes: 40, memoryTotalBytes: 40_000 }],
        ],
      )
      t.strictSame(
        onDevice(collected?.processes, 'GPU-0').map(({ migInstance, memoryBytes, utilization }) => [migInstance, memoryBytes, utilization]),
        [
          ['3', 100, undefined],
          ['9', 50, undefined],
        ],
      )
      t.equal(collected?.failures.size, 0)
    },
  ),
)

t.test(
  'a device that hangs for 5 s is left out until it answers, and nobody waits for it twice',
  onGpus(
    {},
    async (t, { script, collector }) => {
      t.equal((await collector.collect())?.samples.length, 2)
      script.change({ '0.hang_ms': 5000 })
      const uuids = async (): Promise<unknown> => {
        const collected = await collector.collect()
        return [collected?.samples.map(({ device }) => device.uuid), [...(collected?.failures ?? [])]]
      }
      t.strictSame(await uuids(), [['GPU-1'], [['timeout', 1]]])
      script.change({ '0.hang_ms': 0, '1.power': 1000 })
      t.strictSame(await uuids(), [['GPU-1'], [['timeout', 1]]], 'its call is still under way')
      t.equal((await collector.collect())?.samples[0]?.readings.powerWatts, 1, 'the others go on')
      t.equal(collector.hangs, true)
      await until('the device to answer', async () => (await collector.collect())?.samples.length === 2)
      t.strictSame(await uuids(), [['GPU-0', 'GPU-1'], []])
    },
    { limitMs: 1500 },
  ),
)

t.test(
  'a call that hangs is known after closing too',
  onGpus(
    {},
    async (t, { script, collector }) => {
      await collector.collect()
      script.change({ '0.hang_ms': 2000 })
      await collector.collect()
      await collector.close()
      t.equal(collector.hangs, true)
      await until('its call to end', () => !collector.hangs)
    },
    { limitMs: 300 },
  ),
)

t.test('a device that is too slow is asked no further', async (t) => {
  const calls = join(t.testdir({ calls: '' }), 'calls')
  const body = async (t: Test, { script, collector }: Bench): Promise<void> => {
    await collector.collect()
    script.change({ calls, '0.hang_ms': 800 })
    t.equal((await collector.collect())?.samples.length, 1)
    await until('its call to end', () => !collector.hangs)
    const asked = readFileSync(calls, 'utf8').match(/^0 .*$/gm) ?? []
    t.ok(asked.length >= 1 && asked.length <= 6, asked.join())
    script.change({ '0.hang_ms': 0 })
    t.equal((await collector.collect())?.samples.length, 2)
  }
  await onGpus({}, body, { limitMs: 1000 })(t)
})

t.test(
  'a driver that hangs at its start is waited for no longer than a device',
  onGpus(
    { 'init.hang_ms': 2500 },
    async (t, { collector }) => {
      await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'timeout' })
      await until('the driver', async () => (await collector.collect().catch(() => undefined)) !== undefined)
      t.equal((await collector.collect())?.samples.length, 2)
    },
    { limitMs: 700 },
  ),
)

t.test(
  'one device that is lost, or a figure that fails, costs no other',
  onGpus({ '0.error.nvmlDeviceGetMigMode': 15, '1.error.nvmlDeviceGetTemperature': 999 }, async (t, { script, collector }) => {
    const collected = await collector.collect()
    t.strictSame(
      collected?.samples.map(({ device, readings }) => [device.uuid, readings.powerWatts, readings.temperatureCelsius]),
      [['GPU-1', 250.123, undefined]],
    )
    t.strictSame(
      new Map(collected?.failures),
      new Map([
        ['lost' as const, 1],
        ['other' as const, 1],
      ]),
    )
    script.change({ '1.error.nvmlDeviceGetMigMode': 15 })
    await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'lost' }, 'no device at all')
  }),
)

t.test('a driver that is replaced is opened anew, with its new library', async (t) => {
  const path = join(t.testdir({}), 'libnvidia-ml.so.1')
  copyFileSync(LIBRARY, path)
  await onGpus(
    {},
    async (t, { script, collector }) => {
      t.equal((await collector.collect())?.driverVersion, '580.159.04')
      script.change({ dead: 18 })
      await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'driver' })
      t.notMatch(readFileSync('/proc/self/maps', 'latin1'), path, 'the old library is gone')
      await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'driver' })
      script.change({ dead: 0, driver: '590.1', '0.energy': 5 })
      const collected = await collector.collect()
      t.equal(collected?.driverVersion, '590.1')
      t.equal(collected?.samples[0]?.readings.energyJoules, 0.005)
    },
    { paths: [path] },
  )(t)
})

t.test('without library, driver or GPU auto is silent and on is not; what came later is found', async (t) => {
  const path = join(t.testdir({}), 'driver', 'libnvidia-ml.so.1')
  await onGpus({}, async (t, { script }) => {
    const options = { paths: [path], cgroupRoot: CGROUP_ROOT, retryMs: 0 }
    const [auto, on] = [new NvmlCollector({ ...options, mode: 'auto' }), new NvmlCollector({ ...options, mode: 'on' })]
    const absent = async (why: string): Promise<void> => {
      t.equal(await auto.collect(), undefined, why)
      await t.rejects(on.collect(), { name: 'NvmlError', failure: 'driver' }, why)
    }
    await absent('no library')
    mkdirSync(dirname(path))
    copyFileSync(LIBRARY, path)
    script.change({ init: 9 })
    await absent('no driver')
    script.change({ init: 0, count: 0 })
    await absent('no GPU')
    script.change({ init: 18 })
    await absent('another driver')
    script.change({ init: 4 })
    await t.rejects(auto.collect(), { name: 'NvmlError', failure: 'permission' }, 'a driver that refuses is told')
    script.change({ init: 0, count: 2 })
    t.equal((await auto.collect())?.samples.length, 2)
    t.equal((await on.collect())?.samples.length, 2)
    script.change({ dead: 9 })
    await t.rejects(auto.collect(), { name: 'NvmlError', failure: 'driver' }, 'what was there once is missed')
    await t.rejects(auto.collect(), { name: 'NvmlError', failure: 'driver' }, 'also when it is looked for again')
    await Promise.all([auto.close(), on.close()])
  })(t)
})

t.test('between two tries there is a pause', async (t) => {
  await onGpus({ init: 4 }, async (t, { script }) => {
    const collector = new NvmlCollector({ mode: 'on', paths: [LIBRARY], cgroupRoot: CGROUP_ROOT })
    await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'permission' })
    script.change({ init: 0 })
    await t.rejects(collector.collect(), { name: 'NvmlError', failure: 'permission' })
  })(t)
})

t.test(
  'a process that has ended since keeps what it used; one that bears its number now gets nothing',
  onGpus({}, async (t, { site, script, collector }) => {
    const [one, other] = [site.cgroup('one'), site.cgroup('other')]
    const child = processIn(site, one)
    script.change({ '0.compute': `${child.pid}:1000` })
    t.match(onDevice((await collector.collect())?.processes, 'GPU-0'), [{ pid: child.pid, cgroup: inodeOf(one) }])
    child.kill('SIGKILL')
    await child.ended
    script.change({ '0.compute': '', '0.samples': `${child.pid}:${microsecondsAgo(1)}:30` })
    t.match(onDevice((await collector.collect())?.processes, 'GPU-0'), [{ pid: child.pid, cgroup: inodeOf(one), utilization: 0.3 }])

    const later = processIn(site, other)
    script.change({ '0.samples': `${later.pid}:${microsecondsAgo(10)}:30` })
    const [unknown, ...more] = onDevice((await collector.collect())?.processes, 'GPU-0')
    t.match(unknown, { pid: later.pid, cgroup: 0n, cgroupPath: '' }, 'it began after the sample')
    t.equal(unknown?.memoryBytes, undefined)
    t.same(more, [])
  }),
)

t.test(
  'the last error of a device stays until the next',
  onGpus({}, async (t, { script, collector }) => {
    const xids = async (): Promise<unknown> => (await collector.collect())?.samples.map(({ readings }) => readings.lastXid)
    t.strictSame(await xids(), [0, 0])
    script.change({ '1.xid': 79, '1.xid.seq': 1 })
    t.strictSame(await xids(), [0, 79])
    t.strictSame(await xids(), [0, 79])
    script.change({ '1.xid': 13, '1.xid.seq': 2 })
    t.strictSame(await xids(), [0, 13])
  }),
)

t.test(
  'a device that does not tell its errors has none, which is not 0',
  onGpus({ '0.error.nvmlDeviceRegisterEvents': 3 }, async (t, { collector }) => {
    const collected = await collector.collect()
    t.strictSame(
      collected?.samples.map(({ readings }) => readings.lastXid),
      [undefined, 0],
    )
  }),
)

t.test(
  'two who ask at once get one collection',
  onGpus({}, async (t, { collector }) => {
    const [one, other] = [collector.collect(), collector.collect()]
    t.equal(await one, await other)
    t.not(await collector.collect(), await one)
  }),
)
