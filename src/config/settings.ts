// Every setting, defined once, as data: the command line, the environment, the file, --help and the README read it here.
import { hostname } from 'node:os'
import {
  autoOrPath,
  type Check,
  duration,
  flowLabels,
  listen,
  name,
  networks,
  noneOrPath,
  noneOrUrl,
  noneOrWhole,
  whole,
  words,
} from './checks.ts'
import { DEFAULT_FLOW_LABELS, FLOW_LABEL_NAMES } from './flow-labels.ts'

export interface Setting<T = unknown> {
  readonly flag: `--${string}`
  readonly variable: string
  readonly fileKey: string
  /** What stands for the value in --help. */
  readonly placeholder: string
  readonly check: Check<T>
  /** As somebody would write it: it goes through the same check. */
  readonly fallback: string
  /** In place of the fallback in --help and the README, where that differs from host to host. */
  readonly fallbackShown?: string
  /** What is allowed, for the error's line. */
  readonly allowed: string
  readonly help: string
  /** The value never appears in an error or a log. */
  readonly secret?: true
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
const SECOND = 1000
const HOUR = 3600 * SECOND

export const SETTINGS = {
  listen: {
    flag: '--listen',
    variable: 'ORB8_LISTEN',
    fileKey: 'listen',
    placeholder: 'HOST:PORT',
    check: listen,
    fallback: ':9091',
    allowed: 'HOST:PORT or :PORT, an IPv6 address in brackets, ports 0 to 65535',
    help: 'Address of the HTTP server; no host means every address, IPv6 stands in brackets, port 0 picks a free one and logs it.',
  },
  collectIntervalMs: {
    flag: '--collect-interval',
    variable: 'ORB8_COLLECT_INTERVAL',
    fileKey: 'collect_interval',
    placeholder: 'DURATION',
    check: duration(SECOND, HOUR),
    fallback: '15s',
    allowed: '1s to 1h, like 15s or 1m30s',
    help: 'Collect so often in the background, 1s to 1h; a scrape collects too.',
  },
  nodeName: {
    flag: '--node-name',
    variable: 'NODE_NAME',
    fileKey: 'node_name',
    placeholder: 'NAME',
    check: name,
    fallback: hostname() || 'localhost',
    fallbackShown: "the host's name",
    allowed: '1 to 253 printable characters; in the file in quotes where it looks like a number',
    help: 'This node, as Kubernetes knows it.',
  },
  cgroupRoot: {
    flag: '--cgroup-root',
    variable: 'ORB8_CGROUP_ROOT',
    fileKey: 'cgroup_root',
    placeholder: 'PATH',
    check: autoOrPath,
    fallback: 'auto',
    allowed: 'auto or an absolute path',
    help: 'Mount of cgroup v2; auto looks at /sys/fs/cgroup, /sys/fs/cgroup/unified and the mount table.',
  },
  datapath: {
    flag: '--datapath',
    variable: 'ORB8_DATAPATH',
    fileKey: 'datapath',
    placeholder: 'NAME',
    check: words(['auto', 'socket']),
    fallback: 'auto',
    allowed: 'auto or socket; tc is not available yet in this version',
    help: 'Where traffic is counted: auto or socket. tc, for traffic without a socket on this host, is not available yet in this version.',
  },
  flowEntries: {
    flag: '--flow-entries',
    variable: 'ORB8_FLOW_ENTRIES',
    fileKey: 'flow_entries',
    placeholder: 'COUNT',
    check: whole(1024, 4_194_304),
    fallback: '65536',
    allowed: 'a whole number from 1024 to 4194304',
    help: 'Entries of one kernel flow map, 1024 to 4194304; beyond it traffic is counted under its container with peer_kind="overflow".',
  },
  sockets: {
    flag: '--sockets',
    variable: 'ORB8_SOCKETS',
    fileKey: 'sockets',
    placeholder: 'COUNT',
    check: whole(1, 16_777_216),
    fallback: '262144',
    allowed: 'a whole number from 1 to 16777216',
    help: 'TCP sockets watched at once, 1 to 16777216, some 400 B of kernel memory each; the rest is counted in orb8_sockets_untracked_total.',
  },
  seriesLimit: {
    flag: '--series-limit',
    variable: 'ORB8_SERIES_LIMIT',
    fileKey: 'series_limit',
    placeholder: 'COUNT',
    check: whole(1, 10_000_000),
    fallback: '50000',
    allowed: 'a whole number from 1 to 10000000',
    help: 'Sample lines of flow and connection series published at most, 1 to 10000000; the rest is added to peer_kind="other".',
  },
  seriesIdleMs: {
    flag: '--series-idle',
    variable: 'ORB8_SERIES_IDLE',
    fileKey: 'series_idle',
    placeholder: 'DURATION',
    check: duration(60 * SECOND, 30 * 24 * HOUR),
    fallback: '1h',
    allowed: '1m to 30d, like 1h or 1h30m',
    help: 'A series that has not moved for so long leaves, 1m to 30d; one with open connections stays.',
  },
  flowLabels: {
    flag: '--flow-labels',
    variable: 'ORB8_FLOW_LABELS',
    fileKey: 'flow_labels',
    placeholder: 'LIST',
    check: flowLabels,
    fallback: DEFAULT_FLOW_LABELS.join(','),
    fallbackShown: 'all but pod and container',
    allowed: `all, or a list out of ${FLOW_LABEL_NAMES.join(', ')}`,
    help: `Labels of flow and connection metrics: all, or a list out of ${FLOW_LABEL_NAMES.join(', ')}. What is left out is summed away.`,
  },
  cidrs: {
    flag: '--cidrs',
    variable: 'ORB8_CIDRS',
    fileKey: 'cidrs',
    placeholder: 'LIST',
    check: networks,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'name=cidr[,name=cidr...], at most 1024, names of letters, digits, dot, dash and underscore',
    help: 'Named networks, name=cidr[,name=cidr...]: the peer_workload of external peers inside them. In the file also a map of name to cidr or list.',
  },
  pinPath: {
    flag: '--pin-path',
    variable: 'ORB8_PIN_PATH',
    fileKey: 'pin_path',
    placeholder: 'PATH',
    check: noneOrPath,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'an absolute path below a bpffs',
    help: 'A directory on a bpffs, such as /sys/fs/bpf/orb8, where all is pinned so that counting and the counters go on over a restart; created if absent. None: nothing stays behind.',
  },
  pinGroup: {
    flag: '--pin-group',
    variable: 'ORB8_PIN_GROUP',
    fileKey: 'pin_group',
    placeholder: 'GID',
    check: noneOrWhole(0, 4_294_967_294),
    fallback: '',
    fallbackShown: 'none',
    allowed: 'a numeric group id from 0 to 4294967294',
    help: 'Group that may use the pins beside their owner, by its number.',
  },
  dcgmUrl: {
    flag: '--dcgm-url',
    variable: 'ORB8_DCGM_URL',
    fileKey: 'dcgm_url',
    placeholder: 'URL',
    check: noneOrUrl,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'an http:// or https:// address',
    help: "This node's dcgm-exporter, such as http://localhost:9400/metrics; a user and password in it are sent as basic authentication.",
  },
  dcgmCaFile: {
    flag: '--dcgm-ca-file',
    variable: 'ORB8_DCGM_CA_FILE',
    fileKey: 'dcgm_ca_file',
    placeholder: 'PATH',
    check: noneOrPath,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'an absolute path',
    help: 'PEM file of the authorities to trust for dcgm-exporter over https, in place of the usual ones.',
  },
  podResourcesSocket: {
    flag: '--pod-resources-socket',
    variable: 'ORB8_POD_RESOURCES_SOCKET',
    fileKey: 'pod_resources_socket',
    placeholder: 'PATH',
    check: noneOrPath,
    fallback: '/var/lib/kubelet/pod-resources/kubelet.sock',
    allowed: 'an absolute path',
    help: "kubelet's socket that tells which container holds which device; used where it exists.",
  },
  nvml: {
    flag: '--nvml',
    variable: 'ORB8_NVML',
    fileKey: 'nvml',
    placeholder: 'WHEN',
    check: words(['auto', 'on', 'off']),
    fallback: 'auto',
    allowed: 'auto, on or off',
    help: "Read NVIDIA GPUs through the driver's libnvidia-ml: auto where it and a GPU are there, on, or off.",
  },
  logLevel: {
    flag: '--log-level',
    variable: 'ORB8_LOG_LEVEL',
    fileKey: 'log_level',
    placeholder: 'LEVEL',
    check: words(LEVELS),
    fallback: 'info',
    allowed: LEVELS.join(', '),
    help: `One of ${LEVELS.join(', ')}; logs go to stderr, one JSON line an event.`,
  },
} as const satisfies Record<string, Setting>

/** In the order of --help. */
export const ALL_SETTINGS: readonly Setting[] = Object.values(SETTINGS)
