import t from 'tap'
import { LOSSES } from '../../../src/commands/diagnose/losses.ts'
import { numbers } from './page.ts'

const findings = (changes: Readonly<Record<string, number>> = {}) => LOSSES.flatMap((rows) => rows(numbers(changes)))

t.test('an exporter that is well has a row for each number, with what it should be', async (t) => {
  t.strictSame(
    findings().map(({ check, status, found, should, remedy }) => [check, status, found, should, remedy]),
    [
      ['exporter programs', 'ok', '2 of 2', 'all of them', ''],
      ['exporter map flows', 'ok', '100 of 1,000, 10 %', 'under 80 % full', ''],
      ['exporter map prefixes', 'ok', '9 of 65,536, 0 %', 'under 80 % full', ''],
      ['exporter flow overflow', 'ok', '0 flows, 0 B since the start', '0', ''],
      ['exporter sockets', 'ok', '12 of 1,000, 1.2 %', 'under 80 % of ORB8_SOCKETS', ''],
      ['exporter sockets untracked (limit)', 'ok', '0 since the start', '0', ''],
      ['exporter sockets untracked (memory)', 'ok', '0 since the start', '0', ''],
      ['exporter series', 'ok', '16 of 100, 16 %', 'under 80 % of ORB8_SERIES_LIMIT', ''],
      ['exporter series overflow', 'ok', '0 since the start', '0', ''],
      ['exporter attribution', 'ok', '99.9 % of 1000 B have an owner', 'over 99 %', ''],
      ['exporter collector flows', 'ok', 'works, 0 failed since the start', 'works, 0 failed', ''],
    ],
  )
})

const BAD: readonly [change: string, value: number, check: string, found: RegExp, remedy: RegExp][] = [
  ['orb8_bpf_program_loaded{program="orb8_walk"}', 0, 'programs', /1 of 2, not orb8_walk/, /programs above/],
  ['orb8_bpf_map_entries{map="flows"}', 801, 'map flows', /80\.1 %/, /ORB8_FLOW_ENTRIES/],
  ['orb8_bpf_map_entries{map="prefixes"}', 60_000, 'map prefixes', /60,000/, /ORB8_CIDRS/],
  ['orb8_flow_overflow_total', 2, 'flow overflow', /2 flows/, /ORB8_FLOW_ENTRIES/],
  ['orb8_sockets_tracked', 900, 'sockets', /90 %/, /ORB8_SOCKETS/],
  ['orb8_sockets_untracked_total{reason="limit"}', 1, 'sockets untracked (limit)', /1 since/, /ORB8_SOCKETS/],
  ['orb8_sockets_untracked_total{reason="memory"}', 1, 'sockets untracked (memory)', /1 since/, /optmem_max/],
  ['orb8_series', 100, 'series', /100 of 100/, /ORB8_SERIES_LIMIT/],
  ['orb8_series_overflow_total', 7, 'series overflow', /7 since/, /ORB8_SERIES_LIMIT/],
  ['orb8_attributed_bytes_total{method="none"}', 999, 'attribution', /^50 % of 2 KiB/, /ORB8_CGROUP_ROOT/],
  ['orb8_collector_up{collector="flows"}', 0, 'collector flows', /last collection failed/, /log/],
  ['orb8_collector_errors_total{collector="flows",reason="EPERM"}', 3, 'collector flows', /works, 3 failed/, /log/],
  ['orb8_reader_gap_seconds_total', 60, 'reader gap', /60 s uncounted/, /15 minutes/],
]

for (const [change, value, check, found, remedy] of BAD) {
  t.test(`${change} of ${value} is a warning with its remedy, and the only one`, async (t) => {
    const warnings = findings({ [change]: value }).filter(({ status }) => status !== 'ok')
    t.match(warnings, [{ check: `exporter ${check}`, status: 'warn', found, remedy }])
    t.equal(warnings.length, 1)
  })
}

t.test('before the first byte no share is missing', async (t) => {
  const none = { 'orb8_attributed_bytes_total{method="cgroup"}': 0, 'orb8_attributed_bytes_total{method="none"}': 0 }
  t.match(
    findings(none).find(({ check }) => check === 'exporter attribution'),
    { status: 'ok', found: 'no bytes yet' },
  )
})
