import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runChecks } from '../../../../src/commands/diagnose/check.ts'
import { dcgm } from '../../../../src/commands/diagnose/devices/dcgm.ts'
import { DcgmExporter, dcgmText } from '../../../harness/dcgm-exporter.ts'
import { Undo } from '../../../harness/undo.ts'

const SETTINGS = { collectIntervalMs: 15_000, dcgmCaFile: undefined }
const look = (dcgmUrl: string | undefined, dcgmCaFile?: string) => runChecks([dcgm({ ...SETTINGS, dcgmUrl, dcgmCaFile })])

async function beside(t: Test, text: string): Promise<DcgmExporter> {
  const undo = new Undo()
  t.teardown(() => undo.all())
  return DcgmExporter.start(undo, text)
}

t.test('that none is set is fine', async (t) => {
  t.match(await look(undefined), [{ check: 'dcgm', status: 'ok', found: /^not set/, remedy: '' }])
})

t.test('its GPUs are counted, MIG instances apart, its address without the password', async (t) => {
  const exporter = await beside(t, dcgmText('today'))
  const at = `127.0.0.1:${exporter.port}`
  t.strictSame(await look(`http://me:secret@${at}`), [{ check: 'dcgm', status: 'ok', found: `${at}/metrics tells of 2 GPUs`, remedy: '' }])
  exporter.text = dcgmText('mig')
  t.match(await look(exporter.url), [{ status: 'ok', found: `${at}/metrics tells of 1 GPU with 2 MIG instances` }])
})

t.test('one that has no GPU, is something else or does not answer is a warning with its remedy', async (t) => {
  const exporter = await beside(t, '# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).\n')
  t.match(await look(exporter.url), [{ status: 'warn', found: /tells of no GPU$/, remedy: /does it see the GPUs/ }])
  exporter.text = 'go_goroutines 8\n'
  t.match(await look(exporter.url), [{ status: 'warn', found: /no metric of DCGM/, remedy: /is it dcgm-exporter/ }])
  exporter.respond = (_request, response) => response.writeHead(503).end()
  t.match(await look(exporter.url), [
    { status: 'warn', found: /^cannot scrape dcgm-exporter at http.*: it answers 503$/, remedy: /ORB8_DCGM_URL/ },
  ])
  const { url } = exporter
  await exporter.stop()
  t.match(await look(url), [{ status: 'warn', found: /ECONNREFUSED/, remedy: /does dcgm-exporter listen there/ }])
})

t.test('a file of authorities that cannot be read would end the start: it fails', async (t) => {
  const file = join(t.testdir({}), 'none.pem')
  t.match(await look('https://127.0.0.1:1', file), [{ check: 'dcgm', status: 'fail', found: /use ORB8_DCGM_CA_FILE: it cannot be read/ }])
})
