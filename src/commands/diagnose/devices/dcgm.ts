// Does dcgm-exporter answer, and with GPUs? Knows the setting and what a scrape gives.
import { Orb8Error } from '../../../errors.ts'
import { type DcgmSettings, openDcgm } from '../../export/open-dcgm.ts'
import type { Check, Finding } from '../check.ts'
import { gpusIn } from './gpus-in.ts'

/** As long as it may wait for kubelet itself. */
const WAIT_MS = 10_000

/** The exporter runs without it: a warning at most. A file of authorities that cannot be read ends its start, so that fails. */
export function dcgm(settings: DcgmSettings): Check {
  return { name: 'dcgm', run: async () => [await look(settings)] }
}

async function look(settings: DcgmSettings): Promise<Finding> {
  const collector = await openDcgm(settings, { waitMs: WAIT_MS })
  if (collector === undefined) return finding('ok', 'not set: GPUs are read through the driver alone, if any')
  try {
    const samples = await collector.collect()
    const { host, pathname } = new URL(settings.dcgmUrl ?? '')
    if (samples.length === 0)
      return finding('warn', `${host} tells of no GPU`, 'see its log: does it see the GPUs, and does it have counters?')
    return finding('ok', `${host}${pathname === '/' ? '/metrics' : pathname} tells of ${gpusIn(samples)}`)
  } catch (error) {
    if (!(error instanceof Orb8Error)) throw error
    return finding('warn', `cannot ${error.deed}: ${error.reason}`, error.remedy || 'is ORB8_DCGM_URL right?')
  } finally {
    await collector.close()
  }
}

const finding = (status: Finding['status'], found: string, remedy = ''): Finding => ({ check: 'dcgm', status, found, remedy })
