import t from 'tap'
import { COSTS } from '../../../src/commands/diagnose/costs.ts'
import type { OwnNumbers } from '../../../src/commands/diagnose/own-numbers.ts'
import { Samples } from '../../../src/commands/diagnose/samples.ts'
import { NOW, numbers, page, SIZES } from './page.ts'

const MIB = 1024 ** 2
const findings = (changes: Readonly<Record<string, number>> = {}, beside: Partial<OwnNumbers> = {}) =>
  COSTS.flatMap((rows) => rows(numbers(changes, beside)))
const one = (name: string, changes: Readonly<Record<string, number>>, beside: Partial<OwnNumbers> = {}) =>
  findings(changes, beside).find(({ check }) => check === `exporter ${name}`)

t.test('an exporter that is well has a row for each cost, with what it should be', async (t) => {
  t.strictSame(
    findings().map(({ check, status, found, should }) => [check, status, found, should]),
    [
      ['exporter collection flows', 'ok', '99 of 100 within 25 ms, 100 in all', 'within 1 s'],
      ['exporter event loop', 'ok', '99 of 100 turns at most 2 ms late since the last scrape', 'under 20 ms'],
      ['exporter cpu', 'ok', '0.5 % of one CPU since the start', 'under 10 %'],
      ['exporter memory', 'ok', '90 MiB resident', 'under 200 MiB'],
      ['exporter program time', 'ok', 'not counted by the kernel', 'under 5 %'],
    ],
  )
  t.match(one('program time', {}), { remedy: /sysctl kernel\.bpf_stats_enabled=1/ })
})

const SLOW = 'orb8_collection_duration_seconds_bucket{le="0.025",collector="flows"}'
const BAD: readonly [change: string, value: number, check: string, found: RegExp][] = [
  [SLOW, 98, 'collection flows', /within 2\.5 s/],
  ['nodejs_eventloop_lag_p99_seconds', 0.031, 'event loop', /21 ms late/],
  ['process_cpu_seconds_total', 101, 'cpu', /10\.1 %/],
  ['process_resident_memory_bytes', 200 * MIB, 'memory', /200 MiB/],
  ['orb8_bpf_map_memory_bytes{map="flows"}', 65 * MIB, 'map memory', /65 MiB of kernel memory, 65 MiB of it flows/],
]

for (const [change, value, check, found] of BAD) {
  t.test(`${change} of ${value} is a warning with its remedy, and the only one`, async (t) => {
    const warnings = findings({ [change]: value }).filter(({ status }) => status !== 'ok')
    t.match(warnings, [{ check: `exporter ${check}`, status: 'warn', found, remedy: /\S/ }])
    t.equal(warnings.length, 1)
  })
}

t.test('a collection must fit into a short interval', async (t) => {
  const sizes = { ...SIZES, collectIntervalMs: 20 }
  t.match(one('collection flows', {}, { sizes }), { status: 'warn', should: 'within 20 ms' })
  const none = { 'orb8_collection_duration_seconds_count{collector="flows"}': 0 }
  t.match(one('collection flows', none, { sizes }), { status: 'ok', found: 'none yet' })
})

t.test('a collection above every bound is told so', async (t) => {
  const above = { [SLOW]: 0, 'orb8_collection_duration_seconds_bucket{le="2.5",collector="flows"}': 0 }
  t.match(one('collection flows', above), { status: 'warn', found: /above every bound/ })
})

t.test('the CPU of the start is not held against it', async (t) => {
  t.match(one('cpu', { process_start_time_seconds: NOW - 5 }), { status: 'ok', found: /^100 %/ })
})

t.test('memory may grow with lines and sizes that were asked for', async (t) => {
  t.match(one('memory', { process_resident_memory_bytes: 280 * MIB, orb8_series: 200_000 }), { status: 'ok', should: /^under 297\.7 MiB/ })
  const maps = { 'orb8_bpf_map_memory_bytes{map="flows"}': 70 * MIB, 'orb8_bpf_map_memory_bytes{map="prefixes"}': MIB }
  t.match(one('map memory', maps), { status: 'warn', found: '71 MiB of kernel memory, 70 MiB of it flows' })
  t.match(one('map memory', maps, { sizes: { ...SIZES, flowEntries: 131_072 } }), { status: 'ok' })
  t.match(one('map memory', { ...maps, orb8_sockets_tracked: 100_000 }), { status: 'ok' })
})

t.test('what programs do is a rate of two looks', async (t) => {
  const runs = 'orb8_bpf_program_runs_total{program="orb8_egress"}'
  const seconds = 'orb8_bpf_program_run_seconds_total{program="orb8_egress"}'
  const before = new Samples(page({ [runs]: 1000, [seconds]: 7 }))
  const busy = (spent: number) => one('program time', { [runs]: 201_000, [seconds]: 7 + spent }, { before, seconds: 2 })
  t.match(busy(0.02), { status: 'ok', found: '1 % of one CPU, 100,000 runs a second, 100 ns each', should: 'under 5 %', remedy: '' })
  t.match(busy(0.2), { status: 'warn', found: /^10 %/, remedy: /orb8_bpf_program_run_seconds_total/ })
  t.match(one('program time', { [runs]: 1000, [seconds]: 7 }, { before, seconds: 2 }), { found: '0 % of one CPU, 0 runs a second' })
  t.equal(one('program time', { [runs]: 1, [seconds]: 1 }), undefined)
})
