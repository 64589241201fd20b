import t from 'tap'
import { budgetMs, deltas, endpointOf } from '../../../src/publish/otlp/settings.ts'
import { SETTINGS } from './pushing.ts'

t.test('an export ends before the next begins', async (t) => {
  t.equal(budgetMs({ exportIntervalMs: 60_000, exportTimeoutMs: 30_000 }), 30_000)
  t.equal(budgetMs({ exportIntervalMs: 10_000, exportTimeoutMs: 30_000 }), 9000)
  t.equal(budgetMs({ exportIntervalMs: 10_000, exportTimeoutMs: 0 }), 9000, 'no limit of its own')
})

t.test('totals that are read stay cumulative for lowmemory, histograms do not', async (t) => {
  t.same(deltas({ otlpTemporality: 'cumulative' }), { sums: false, histograms: false })
  t.same(deltas({ otlpTemporality: 'delta' }), { sums: true, histograms: true })
  t.same(deltas({ otlpTemporality: 'lowmemory' }), { sums: false, histograms: true })
})

t.test('no endpoint, no push', async (t) => {
  const otlpEndpoint = { address: 'a:1', tls: false }
  t.equal(endpointOf(SETTINGS), undefined)
  t.equal(endpointOf({ ...SETTINGS, otlpEndpoint }), otlpEndpoint)
  t.equal(endpointOf({ ...SETTINGS, otlpEndpoint, otelDisabled: true }), undefined)
  t.equal(endpointOf({ ...SETTINGS, otlpEndpoint, metricsExporter: 'none' }), undefined)
})
