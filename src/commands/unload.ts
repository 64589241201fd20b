// Removes what is pinned: links first, then programs, maps and the ledger. Loads nothing.
import { existsSync } from 'node:fs'
import { loadConfig } from '../config.ts'
import { ConfigError } from '../errors.ts'
import { PinDirectory } from '../kernel/pins.ts'

export const UNLOAD_HELP = `Usage: orb8 unload --pin-path=PATH

Ends all counting of what is pinned below PATH and removes every pin of ours, the series'
numbers with them, and PATH itself where nothing else is in it. Refused while an exporter
uses PATH.
`

/** Resolves to the exit code. Throws Orb8Error. */
export async function unload(argv: readonly string[]): Promise<number> {
  const { pinPath } = (await loadConfig({ argv })).config
  if (pinPath === undefined) throw new ConfigError('ORB8_PIN_PATH', 'is not set', 'the directory that orb8 load pinned to')
  if (!existsSync(pinPath)) return say(`nothing is pinned: there is no ${pinPath}`)
  using pins = PinDirectory.open(pinPath)
  const names = pins.clear()
  pins.removeDirectory()
  return say(
    names.length === 0 ? `nothing was pinned below ${pinPath}` : `removed ${names.length} pins below ${pinPath}: ${names.join(', ')}`,
  )
}

function say(line: string): number {
  process.stdout.write(`${line}\n`)
  return 0
}
