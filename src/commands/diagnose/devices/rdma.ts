// Are there RDMA ports, and do they tell their counters? Knows what one collection gives.
import { RdmaCollector, type RdmaCollectorOptions } from '../../../collect/rdma.ts'
import { Orb8Error } from '../../../errors.ts'
import type { RdmaPort } from '../../../model.ts'
import type { Check, Finding } from '../check.ts'
import { counted } from './gpus-in.ts'

/** Enough to see whose they are. */
const SHOWN_PORTS = 8

/** A warning at most. */
export function rdma(options: RdmaCollectorOptions = {}): Check {
  const collector = new RdmaCollector(options)
  return {
    name: 'rdma',
    get hangs() {
      return collector.hangs
    },
    run: async () => {
      try {
        const { ports = [] } = (await collector.collect()) ?? {}
        return [look(ports)]
      } catch (error) {
        if (!(error instanceof Orb8Error)) throw error
        return [finding('warn', `cannot ${error.deed}: ${error.reason}`, 'a device that does not answer: see dmesg')]
      }
    },
  }
}

function look(ports: readonly RdmaPort[]): Finding {
  if (ports.length === 0) return finding('ok', 'no RDMA device here')
  const names = ports.slice(0, SHOWN_PORTS).map(({ device, port }) => `${device}/${port}`)
  const found = `${counted(ports.length, 'port')} (${names.join(', ')}${ports.length > SHOWN_PORTS ? ', ...' : ''})`
  const silent = ports.filter(({ egressBytes, ingressBytes }) => egressBytes === undefined && ingressBytes === undefined)
  if (silent.length === 0) return finding('ok', found)
  const remedy = 'their driver counts no bytes, or sysfs is not readable for this user'
  return finding('warn', `${found}, ${silent.length} of them without bytes`, remedy)
}

const finding = (status: Finding['status'], found: string, remedy = ''): Finding => ({ check: 'rdma', status, found, remedy })
