import t from 'tap'
import { createOtlp } from '../../src/publish/otlp.ts'
import { createSelf } from '../../src/publish/self.ts'
import { encode } from '../../src/publish/text.ts'
import { parseExposition } from '../harness/exposition.ts'
import { samplesOfPoints, samplesOfScrape } from '../harness/otlp/both-exits.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { collectorOf, later, plain, push, SETTINGS, startedAt, undoOf, withoutRow } from './otlp/pushing.ts'
import { manyFlows } from './snapshots.ts'
import { until } from '../harness/child.ts'
import { Collector } from '../harness/otlp/collector.ts'

const START_MS = 1_700_000_000_000
const NOW_MS = START_MS + 90_000

for (const rows of [1, 1250, 7500]) {
  t.test(`the same numbers at both exits, at ${rows * 8} series`, async (t) => {
    t.setTimeout(60_000)
    const snapshot = startedAt(manyFlows(rows, NOW_MS), START_MS)
    const self = createSelf({ version: '1.2.3', libbpfVersion: '1.1' })
    self.collected('flows', 0.02)
    self.flowOverflow(3, 4000)
    const families = await self.families()
    const collector = await collectorOf(t)
    const { otlp, results, log } = push(t, { settings: { ...plain(collector.port), exportIntervalMs: 2000 }, families })
    otlp.add(snapshot)
    await until('an export', () => results.length > 0)
    const text = Buffer.concat([...encode(snapshot, families, 'prometheus', (bytes) => Buffer.alloc(bytes))]).toString()
    const [pushed, scraped] = [samplesOfPoints(collector.taken), samplesOfScrape(parseExposition(text))]
    t.equal(results[0], 'success', JSON.stringify(log))
    t.equal(pushed.size, scraped.size)
    t.same([...scraped].filter(([key, value]) => !Object.is(pushed.get(key), value)).slice(0, 5), [])
    t.ok(
      collector.received.every(({ bytes }) => bytes < 1024 * 1024 + 1024),
      'no request is longer than 1 MiB',
    )
  })
}
