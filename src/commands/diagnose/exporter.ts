// How is the exporter that runs on this host? Asks it for its health and its numbers about itself; changes nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { SELF } from '../../metrics.ts'
import { age } from './amounts.ts'
import { type Address, ask, type Reply, reachable, shown } from './ask.ts'
import type { Check, Finding } from './check.ts'
import { COSTS } from './costs.ts'
import { LOSSES } from './losses.ts'
import { type OwnNumbers, row, type Sizes } from './own-numbers.ts'
import { Samples } from './samples.ts'

/** What the exporter says about itself; everything else is traffic, and may be 100,000 lines of it. */
const OWN = /^(?:process_|nodejs_|orb8_(?!flow_(?:bytes|packets)_|container_network_|active_flows|tcp_))/
/** For the rates of what the kernel programs do. */
const BETWEEN_MS = 1000

export interface ExporterOptions {
  /** The same exporter answers at all of them. */
  readonly listen: readonly Address[]
  readonly sizes: Sizes
}

/** A number that is not as it should be is a warning with its remedy; that none runs is fine. */
export function exporter({ listen, sizes }: ExporterOptions): Check {
  return {
    name: 'exporter',
    run: async () => {
      const known = listen.find((place) => 'path' in place || place.port !== 0)
      if (known === undefined) return [told('not asked: with port 0 only its log tells where it listens')]
      const address = reachable(known)
      let ready: Reply
      try {
        ready = await ask(address, '/readyz')
      } catch (error) {
        return [unreachable(address, (error as Error).message)]
      }
      if (ready.status === 401 || ready.status === 403) return [told(`asks for a password at ${shown(address)}: could not look`)]
      try {
        return await look(address, ready, sizes)
      } catch (error) {
        return [warned(`${shown(address)} answers no more: ${(error as Error).message}`, "see the exporter's log")]
      }
    },
  }
}

async function look(address: Address, ready: Reply, sizes: Sizes): Promise<readonly Finding[]> {
  const health = await ask(address, '/healthz')
  const page = await ask(address, '/metrics', (line) => OWN.test(line))
  const first = new Samples(page.lines)
  if (page.status === 200 && !first.has(SELF.buildInfo.name)) {
    return [warned(`something else answers at ${shown(address)}`, 'end it, or choose another port with ORB8_LISTEN')]
  }
  const verdicts = [verdict('/readyz', ready), verdict('/healthz', health)]
  if (page.status !== 200)
    return [...verdicts, warned(`/metrics answers ${page.status}: ${page.lines.join(' ')}`, "see the exporter's log")]
  const numbers = { ...(await twice(address, first)), sizes, now: Date.now() / 1000 }
  return [introduced(address, numbers), ...verdicts, ...[...LOSSES, ...COSTS].flatMap((rows) => rows(numbers))]
}

/** Rates need a second look, a moment later; without run times there is none to tell. */
async function twice(address: Address, before: Samples): Promise<Pick<OwnNumbers, 'samples' | 'before' | 'seconds'>> {
  if (!before.has(SELF.programRunSeconds.name)) return { samples: before, before, seconds: 0 }
  const beganMs = performance.now()
  await sleep(BETWEEN_MS)
  const { status, lines } = await ask(address, '/metrics', (line) => OWN.test(line))
  if (status !== 200) return { samples: before, before, seconds: 0 }
  return { samples: new Samples(lines), before, seconds: (performance.now() - beganMs) / 1000 }
}

function introduced(address: Address, { samples, now }: OwnNumbers): Finding {
  const { version = 'unknown' } = samples.labels(SELF.buildInfo.name)
  return told(`version ${version} runs at ${shown(address)}, up ${age(now - samples.sum('process_start_time_seconds'))}`)
}

function verdict(path: string, { status, lines }: Reply): Finding {
  const found = status === 200 ? 'ok' : `${status}: ${lines.join(' ')}`
  return row(path, status === 200, found, 'ok', "see the exporter's log")
}

function unreachable(address: Address, code: string): Finding {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return told(`none answers at ${shown(address)}`)
  if (code === 'ECONNRESET' || code.startsWith('HPE_'))
    return told(`what listens at ${shown(address)} speaks no plain HTTP (TLS?): could not look`)
  return warned(`asked at ${shown(address)}: ${code}`, "see the exporter's log, and whether ORB8_LISTEN is as it has it")
}

const told = (found: string): Finding => ({ check: 'exporter', status: 'ok', found, remedy: '' })
const warned = (found: string, remedy: string): Finding => ({ check: 'exporter', status: 'warn', found, remedy })
