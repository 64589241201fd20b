// The maps that are pinned, by name. Knows what stands or falls together; nothing of what they hold.

/** Maps that go on over a restart. Those of one size stand or fall together. */
export const PAIRS = ['flows', 'overflow', 'health', 'health_spill'] as const
export const INNER_MAPS: readonly string[] = PAIRS.flatMap((name) => [`${name}_a`, `${name}_b`])
export const OTHER_MAPS = [
  'prefixes',
  'connections',
  'datagram_sockets',
  'sending',
  'rewrites',
  '.data.totals',
  '.data.node_health',
  '.data.control',
  'listeners',
] as const
export const MAPS: readonly string[] = [...PAIRS, ...INNER_MAPS, ...OTHER_MAPS]
/** What no reader ever writes to; of some it asks no more than how much memory they take. */
export const READ_MAPS: readonly string[] = ['connections', 'datagram_sockets', 'sending', 'rewrites', '.data.totals', '.data.node_health']

/** bpffs reserves dots. */
export const pinName = (map: string): string => `map_${map.replaceAll('.', '_')}`
