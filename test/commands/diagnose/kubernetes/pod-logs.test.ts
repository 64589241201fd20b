import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { podLogs } from '../../../../src/commands/diagnose/kubernetes/pod-logs.ts'

const UID = '0a1b2c3d-0000-4000-8000-000000000001'

t.test('pods and containers are counted by their directories and links', async (t) => {
  const log = t.testdir({
    pods: { [`shop_web-0_${UID}`]: { app: {} }, [`data_db-0_${UID}`]: {}, lost: {} },
    containers: { [`web-0_shop_app-${'a'.repeat(64)}.log`]: '' },
  })
  const directory = join(log, 'pods')
  t.strictSame(await podLogs(directory, true).run(), [
    { check: 'pod_logs', status: 'ok', found: `${directory}, pods: 2, containers: 1`, remedy: '' },
  ])
})

t.test('that it is missing matters on a node of a cluster', async (t) => {
  const nowhere = join(t.testdir({}), 'pods')
  t.match(await podLogs(nowhere, false).run(), [{ status: 'ok', found: `no ${nowhere}` }])
  t.match(await podLogs(nowhere, true).run(), [{ status: 'warn', found: `${nowhere} cannot be read: ENOENT`, remedy: /ORB8_POD_LOGS_DIR/ }])
})

t.test('what cannot be read is a warning anywhere', async (t) => {
  const file = join(t.testdir({}), 'pods')
  writeFileSync(file, '')
  for (const expected of [true, false])
    t.match(await podLogs(file, expected).run(), [{ status: 'warn', found: `${file} cannot be read: ENOTDIR`, remedy: /mount the host's/ }])
})
