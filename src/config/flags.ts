// Takes the command line apart: --name=value or --name value, the last of the same name wins. Knows names, not what values mean.
import { ConfigError } from '../errors.ts'
import { didYouMean } from './nearest.ts'
import { named, quoted } from './quote.ts'

/**
 * The flags' values by name. `allowed` holds every flag with what it allows, for the errors.
 * Throws ConfigError; an unknown flag's value is never repeated, it may be a mistyped secret.
 */
export function readFlags(argv: readonly string[], allowed: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? ''
    if (!word.startsWith('-')) throw new ConfigError(quoted(word), 'it is not a flag', 'settings are written --name=value')
    const equals = word.indexOf('=')
    const flag = equals < 0 ? word : word.slice(0, equals)
    const allows = allowed.get(flag)
    if (allows === undefined) {
      throw new ConfigError(named(flag), 'there is no such flag', `${didYouMean(flag, [...allowed.keys()])}--help lists all`)
    }
    const next = argv[index + 1]
    if (equals < 0 && next !== undefined && !next.startsWith('-')) index++
    const value = equals < 0 ? (next?.startsWith('-') ? undefined : next) : word.slice(equals + 1)
    if (value === undefined || value === '') throw new ConfigError(flag, 'its value is missing', allows)
    found.set(flag, value)
  }
  return found
}
