// A page of numbers as an exporter has them that is well, and what may be changed about it.
import type { OwnNumbers, Sizes } from '../../../src/commands/diagnose/own-numbers.ts'
import { Samples } from '../../../src/commands/diagnose/samples.ts'

export const SIZES: Sizes = { collectIntervalMs: 15_000, flowEntries: 65_536, sockets: 1000, seriesLimit: 100 }
export const NOW = 1_700_001_000

const WELL: Readonly<Record<string, number>> = {
  'orb8_build_info{version="1.2.3"}': 1,
  'orb8_bpf_program_loaded{program="orb8_walk"}': 1,
  'orb8_bpf_program_loaded{program="orb8_egress"}': 1,
  'orb8_bpf_map_entries{map="flows"}': 100,
  'orb8_bpf_map_capacity{map="flows"}': 1000,
  'orb8_bpf_map_entries{map="prefixes"}': 9,
  'orb8_bpf_map_capacity{map="prefixes"}': 65_536,
  orb8_flow_overflow_total: 0,
  orb8_flow_overflow_bytes_total: 0,
  orb8_sockets_tracked: 12,
  'orb8_sockets_untracked_total{reason="limit"}': 0,
  'orb8_sockets_untracked_total{reason="memory"}': 0,
  orb8_series: 16,
  orb8_series_overflow_total: 0,
  'orb8_attributed_bytes_total{method="cgroup"}': 999,
  'orb8_attributed_bytes_total{method="none"}': 1,
  'orb8_collection_duration_seconds_bucket{le="0.025",collector="flows"}': 99,
  'orb8_collection_duration_seconds_bucket{le="2.5",collector="flows"}': 100,
  'orb8_collection_duration_seconds_bucket{le="+Inf",collector="flows"}': 100,
  'orb8_collection_duration_seconds_count{collector="flows"}': 100,
  'orb8_collector_up{collector="flows"}': 1,
  process_cpu_seconds_total: 5,
  process_start_time_seconds: NOW - 1000,
  process_resident_memory_bytes: 90 * 1024 ** 2,
  nodejs_eventloop_lag_p99_seconds: 0.012,
}

/** Lines; `changes` are by the same names, and may add some. */
export function page(changes: Readonly<Record<string, number>> = {}): readonly string[] {
  return Object.entries({ ...WELL, ...changes }).map(([name, value]) => `${name} ${value}`)
}

export function numbers(changes: Readonly<Record<string, number>> = {}, beside: Partial<OwnNumbers> = {}): OwnNumbers {
  const samples = new Samples(page(changes))
  return { samples, before: samples, seconds: 0, sizes: SIZES, now: NOW, ...beside }
}
