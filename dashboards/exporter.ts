// The exporter itself: does it see everything, is there room, and what does it cost?
import { dashboard, UID } from './frame.ts'
import { series, stat, table, UNIT } from './panels.ts'
import { onInstance, WINDOW } from './variables.ts'

const WHERE = 'cluster, node, instance'
const AT = '{{node}} {{instance}}'

const per = (labels: string, metric: string, ...matchers: string[]): string =>
  `sum by (${labels}) (rate(${metric}{${onInstance(...matchers)}}[${WINDOW}]))`
/** Metrics that any process could have: of the exporters alone. */
const own = (expr: string): string => `${expr} and on (cluster, job, instance) orb8_build_info{${onInstance()}}`
const mean = (labels: string, histogram: string): string => `${per(labels, `${histogram}_sum`)} / ${per(labels, `${histogram}_count`)}`

export const exporter = dashboard({
  uid: UID.exporter,
  title: 'orb8 itself',
  description: 'Whether the exporters see everything, whether their maps have room, and what they cost.',
  variables: ['cluster', 'instance'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Exporters', UNIT.count, { expr: `count(orb8_build_info{${onInstance()}})` }),
        stat(
          'Coverage',
          UNIT.ratio,
          {
            expr: `1 - ${per('', 'orb8_attributed_bytes_total', 'method="none"')} / ${per('', 'orb8_attributed_bytes_total')}`,
          },
          { floors: [0.99, 0.95], decimals: 2, description: 'Of all bytes, those whose owner has a name.' },
        ),
        stat(
          'Flows without room',
          UNIT.perSecond,
          { expr: per('', 'orb8_flow_overflow_total') },
          { limits: [0.001, 10], description: 'Counted under their container, without peers.' },
        ),
        stat('Sockets not watched', UNIT.perSecond, { expr: per('', 'orb8_sockets_untracked_total') }, { limits: [0.001, 1] }),
        stat(
          'Programs refused',
          UNIT.count,
          { expr: `sum(orb8_bpf_program_loaded{${onInstance()}} == bool 0)` },
          { limits: [1, 5], description: 'By the kernel; what they count is missing.' },
        ),
        stat('Collectors that fail', UNIT.count, { expr: `sum(orb8_collector_up{${onInstance()}} == bool 0)` }, { limits: [1, 2] }),
      ],
    },
    {
      title: 'Coverage',
      panels: [
        series(
          'Bytes, by how their owner was found',
          UNIT.bytesPerSecond,
          [{ expr: per('method', 'orb8_attributed_bytes_total'), legend: '{{method}}' }],
          { span: 8, stacked: true },
        ),
        series(
          'Coverage, by node',
          UNIT.ratio,
          [
            {
              expr: `1 - ${per(WHERE, 'orb8_attributed_bytes_total', 'method="none"')} / ${per(WHERE, 'orb8_attributed_bytes_total')}`,
              legend: AT,
            },
          ],
          { span: 8, max: 1 },
        ),
        series('Time in which nothing was counted', UNIT.ratio, [{ expr: per(WHERE, 'orb8_reader_gap_seconds_total'), legend: AT }], {
          span: 8,
          description: 'Seconds a second: nobody had read for 15 minutes.',
        }),
        series('Flows without room in the map', UNIT.perSecond, [{ expr: per(WHERE, 'orb8_flow_overflow_total'), legend: AT }], {
          span: 6,
        }),
        series('Their bytes', UNIT.bytesPerSecond, [{ expr: per(WHERE, 'orb8_flow_overflow_bytes_total'), legend: AT }], { span: 6 }),
        series('Flows past the series limit', UNIT.perSecond, [{ expr: per(WHERE, 'orb8_series_overflow_total'), legend: AT }], {
          span: 6,
        }),
        series(
          'Sockets not watched',
          UNIT.perSecond,
          [{ expr: per(`${WHERE}, reason`, 'orb8_sockets_untracked_total'), legend: `${AT} {{reason}}` }],
          { span: 6 },
        ),
      ],
    },
    {
      title: 'Room',
      panels: [
        series(
          'Kernel maps, of what fits',
          UNIT.ratio,
          [
            {
              expr: `orb8_bpf_map_entries{${onInstance()}} / orb8_bpf_map_capacity{${onInstance()}}`,
              legend: `${AT} {{map}}`,
            },
          ],
          { span: 8, max: 1 },
        ),
        series('Sockets watched', UNIT.count, [{ expr: `orb8_sockets_tracked{${onInstance()}}`, legend: AT }], { span: 8 }),
        series('Series', UNIT.count, [{ expr: `orb8_series{${onInstance()}}`, legend: AT }], {
          span: 8,
          description: 'Those that count against ORB8_SERIES_LIMIT.',
        }),
      ],
    },
    {
      title: 'Kubernetes and OTLP',
      panels: [
        series(
          'Watches',
          UNIT.count,
          [{ expr: `min by (${WHERE}, resource) (orb8_k8s_watch_connected{${onInstance()}})`, legend: `${AT} {{resource}}` }],
          {
            span: 6,
            max: 1,
            description: '1: connected.',
          },
        ),
        series(
          'Watches connected anew',
          UNIT.perSecond,
          [{ expr: per('resource', 'orb8_k8s_watch_reconnections_total'), legend: '{{resource}}' }],
          { span: 6 },
        ),
        series(
          'Time since the last sync',
          UNIT.seconds,
          [{ expr: `time() - orb8_k8s_last_sync_timestamp_seconds{${onInstance()}}`, legend: `${AT} {{resource}}` }],
          { span: 6 },
        ),
        series('Pods known', UNIT.count, [{ expr: `orb8_k8s_pods_tracked{${onInstance()}}`, legend: AT }], { span: 6 }),
        series('OTLP exports', UNIT.perSecond, [{ expr: per(`${WHERE}, result`, 'orb8_otlp_exports_total'), legend: `${AT} {{result}}` }], {
          span: 24,
          height: 6,
        }),
      ],
    },
    {
      title: 'Cost',
      panels: [
        series(
          'CPU of the process',
          UNIT.cores,
          [{ expr: own(`rate(process_cpu_seconds_total{${onInstance()}}[${WINDOW}])`), legend: AT }],
          {
            span: 6,
            description: 'Cores.',
          },
        ),
        series('Resident memory', UNIT.bytes, [{ expr: own(`process_resident_memory_bytes{${onInstance()}}`), legend: AT }], { span: 6 }),
        series(
          'Kernel memory, by map',
          UNIT.bytes,
          [{ expr: `sum by (map) (orb8_bpf_map_memory_bytes{${onInstance()}})`, legend: '{{map}}' }],
          {
            span: 6,
            stacked: true,
          },
        ),
        series(
          'Longest delay of the event loop',
          UNIT.seconds,
          [{ expr: own(`nodejs_eventloop_lag_max_seconds{${onInstance()}}`), legend: AT }],
          { span: 6, description: 'Between two scrapes.' },
        ),
        series(
          'CPU of the kernel programs',
          UNIT.cores,
          [{ expr: per('program', 'orb8_bpf_program_run_seconds_total'), legend: '{{program}}' }],
          { span: 8, stacked: true, description: 'Cores; where kernel.bpf_stats_enabled is 1.' },
        ),
        series(
          'Time of one run',
          UNIT.seconds,
          [
            {
              expr: `${per('program', 'orb8_bpf_program_run_seconds_total')} / ${per('program', 'orb8_bpf_program_runs_total')}`,
              legend: '{{program}}',
            },
          ],
          { span: 8, description: 'Where kernel.bpf_stats_enabled is 1.' },
        ),
        series('Time of a scrape', UNIT.seconds, [{ expr: own(`scrape_duration_seconds{${onInstance()}}`), legend: AT }], { span: 8 }),
        series(
          'Time of a collection',
          UNIT.seconds,
          [
            {
              expr: `histogram_quantile(0.99, sum by (collector, le) (rate(orb8_collection_duration_seconds_bucket{${onInstance()}}[${WINDOW}])))`,
              legend: '{{collector}} p99',
            },
            { expr: mean('collector', 'orb8_collection_duration_seconds'), legend: '{{collector}} mean' },
          ],
          { span: 8 },
        ),
        series('Its stages', UNIT.seconds, [{ expr: mean('stage', 'orb8_collection_stage_duration_seconds'), legend: '{{stage}}' }], {
          span: 8,
          stacked: true,
          description: 'Means.',
        }),
        series(
          'Collections that failed',
          UNIT.perSecond,
          [{ expr: per('collector, reason', 'orb8_collector_errors_total'), legend: '{{collector}} {{reason}}' }],
          { span: 8 },
        ),
        table('Versions', [{ refId: 'A', expr: `count by (version, node_version, libbpf_version) (orb8_build_info{${onInstance()}})` }], {
          height: 6,
          labels: ['version', 'node_version', 'libbpf_version'],
          columns: [{ refId: 'A', title: 'exporters', unit: UNIT.count }],
        }),
        table(
          'Programs that the kernel refused',
          [{ refId: 'A', expr: `count by (program) (orb8_bpf_program_loaded{${onInstance()}} == 0)` }],
          {
            height: 6,
            labels: ['program'],
            columns: [{ refId: 'A', title: 'exporters', unit: UNIT.count }],
            description: 'Empty where all is well.',
          },
        ),
      ],
    },
  ],
})
