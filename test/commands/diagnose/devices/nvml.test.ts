import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runChecks } from '../../../../src/commands/diagnose/check.ts'
import { type NvmlCheckOptions, nvml } from '../../../../src/commands/diagnose/devices/nvml.ts'
import { buildNvml, gpusScript, NvmlScript, type Script } from '../../../harness/nvml.ts'
import { Undo } from '../../../harness/undo.ts'

const NOWHERE = '/nowhere/libnvidia-ml.so.1'

function machine(t: Test, script: Script): NvmlCheckOptions {
  const undo = new Undo()
  t.teardown(() => undo.all())
  new NvmlScript(undo, script)
  return { paths: [buildNvml()], driver: NOWHERE }
}

const check = (options: NvmlCheckOptions, mode: 'auto' | 'on' | 'off' = 'auto') => nvml({ nvml: mode, cgroupRoot: 'auto' }, options)
const look = (...given: Parameters<typeof check>) => runChecks([check(...given)])

t.test('GPUs, MIG instances and processes are counted', async (t) => {
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => void sleeper.kill('SIGKILL'))
  const options = machine(t, { ...gpusScript(2), '0.compute': `${sleeper.pid}:5242880` })
  t.strictSame(await look(options), [{ check: 'nvml', status: 'ok', found: 'driver 580.159.04: 2 GPUs, 1 process', remedy: '' }])
})

t.test('processes that cannot be found want the namespace of the host', async (t) => {
  const options = machine(t, { ...gpusScript(1), '0.compute': '4194304:5242880' })
  t.match(await look(options), [{ status: 'warn', found: /1 process, 1 of them of no cgroup/, remedy: /hostPID: true/ }])
})

t.test('no library and no driver is fine, unless it is called for or the driver is there', async (t) => {
  const none = { paths: [NOWHERE], driver: NOWHERE }
  t.match(await look(none), [{ status: 'ok', found: 'no NVIDIA driver here', remedy: '' }])
  const missing = [
    { status: 'warn', found: 'cannot find libnvidia-ml.so.1: no such library', remedy: /NVIDIA_DRIVER_CAPABILITIES=utility/ },
  ]
  t.match(await look(none, 'on'), missing)
  const driver = join(t.testdir({ version: 'NVRM version' }), 'version')
  t.match(await look({ ...none, driver }), missing, 'a container without the library')
  t.match(await look(none, 'off'), [{ status: 'ok', found: /^off/ }])
})

t.test('a driver that does not work, a library that does not load and a GPU that fails are warnings', async (t) => {
  const driver = join(t.testdir({ version: 'NVRM version', 'libnvidia-ml.so.1': 'no library' }), 'version')
  const broken = machine(t, { ...gpusScript(1), init: 18 })
  t.match(await look({ ...broken, driver }), [{ status: 'warn', found: /initialise NVML: LIB_RM_VERSION_MISMATCH/, remedy: /nvidia-smi/ }])
  const text = join(t.testdirName, 'libnvidia-ml.so.1')
  t.match(await look({ paths: [text], driver: NOWHERE }), [{ status: 'warn', found: /^cannot load /, remedy: /mount the driver's own/ }])
  const lost = machine(t, { ...gpusScript(2), '1.error.nvmlDeviceGetUUID': 15 })
  t.match(await look(lost), [{ status: 'warn', found: /1 GPU, 0 processes; of the questions failed 1 lost$/, remedy: /XID/ }])
})

t.test('a GPU that hangs is told, and that it hangs', async (t) => {
  const hanging = check({ ...machine(t, { ...gpusScript(2), '0.hang_ms': 1500 }), limitMs: 300 })
  t.notOk(hanging.hangs)
  t.match(await runChecks([hanging]), [{ status: 'warn', found: /1 GPU, .* failed 1 timeout$/ }])
  t.equal(hanging.hangs, true)
})
