// The log: one JSON line an event on stderr. Knows the form of a line, not what is worth one.
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config.ts'

export type { Logger } from 'pino'

/**
 * `level` is written as a word, `time` in ISO 8601. Synchronous, so that the last line before an end is not lost;
 * a reader of stderr that has gone away ends the log, not the process.
 */
export function createLogger(
  level: Config['logLevel'],
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  const formatters = { level: (label: string) => ({ level: label }) }
  // The supervisor that reads stderr already knows host and pid.
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, destination)
}
