// Flags, environment and file -> one frozen Config. The only reader of process.env.
import * as z from 'zod/mini'
import type { Check } from './config/checks.ts'
import { type FileEntry, readBounded, readSettingsFile } from './config/file.ts'
import { readFlags } from './config/flags.ts'
import { didYouMean, nearest } from './config/nearest.ts'
import { named, quoted } from './config/quote.ts'
import type { Setting } from './config/setting.ts'
import { ALL_SETTINGS, SETTINGS } from './config/settings.ts'
import { ConfigError } from './errors.ts'

export { SETTINGS } from './config/settings.ts'

type ValueOf<S> = S extends { readonly check: Check<infer T> } ? T : never

/** Durations in ms. Frozen, all the way down. */
export type Config = { readonly [K in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[K]> }

export interface Loaded {
  readonly config: Config
  /** What is odd but harmless, a sentence each: unknown ORB8_* variables. */
  readonly warnings: readonly string[]
  /** What stood on the command line, for the values of `commandFlags`. */
  readonly flags: ReadonlyMap<string, string>
}

interface Sources {
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly readFile?: (path: string) => string
  /** Flags of one command beside the settings', with what they allow. */
  readonly commandFlags?: ReadonlyMap<string, string>
}

interface Given {
  /** The key as it was written, to be named in an error. */
  readonly key: string
  readonly value: unknown
}

const FILE_FLAG = '--config'
const FLAGS: ReadonlyMap<string, string> = new Map([
  ...ALL_SETTINGS.map((setting) => [setting.flag, setting.allowed] as const),
  [FILE_FLAG, 'the path of a YAML file of settings'],
])

/** `argv` is what follows the command's name. Flag wins over environment, over file, over default. Throws ConfigError. */
export async function loadConfig({ argv = [], env = process.env, readFile = readBounded, commandFlags }: Sources = {}): Promise<Loaded> {
  const flags = readFlags(argv, new Map([...FLAGS, ...(commandFlags ?? [])]))
  const path = flags.get(FILE_FLAG)
  const file = path === undefined ? new Map<string, Given>() : byKey(await readSettingsFile(path, readFile), path)
  const values = Object.entries<Setting>(SETTINGS).map(([key, setting]) => [key, readSetting(setting, given(setting, flags, env, file))])
  return { config: Object.freeze(Object.fromEntries(values)) as Config, warnings: unknownVariables(env), flags }
}

/** The setting's value, or a ConfigError that names the key, the value (masked where it is a secret) and what is allowed. */
export function readSetting<T>(setting: Setting<T>, { key, value }: Given): T {
  const result = z.safeParse(setting.check, value)
  if (result.success) return result.data
  // A reader's own words may repeat a piece of the value.
  const problem = setting.secret ? '*** is not a valid value' : `${quoted(value)} ${result.error.issues[0]?.message ?? 'is not allowed'}`
  throw new ConfigError(key, problem, setting.allowed)
}

function given(
  setting: Setting,
  flags: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
  file: ReadonlyMap<string, Given>,
): Given {
  const flag = flags.get(setting.flag)
  if (flag !== undefined) return { key: setting.flag, value: flag }
  for (const name of [setting.specific, setting.variable]) {
    const value = name === undefined ? undefined : env[name]
    if (name !== undefined && value !== undefined && value !== '') return { key: name, value }
  }
  return file.get(setting.fileKey) ?? { key: `the default of ${setting.variable}`, value: setting.fallback }
}

function byKey(entries: readonly FileEntry[], path: string): ReadonlyMap<string, Given> {
  const keys = ALL_SETTINGS.map((setting) => setting.fileKey)
  return new Map(
    entries.map(({ key, line, value }) => {
      const shown = `${named(path)}:${named(key)} (line ${line})`
      if (keys.includes(key)) return [key, { key: shown, value }]
      throw new ConfigError(shown, 'there is no such setting', `${didYouMean(key, keys)}allowed: ${keys.join(', ')}`)
    }),
  )
}

/** The API server of the cluster in which this process is a pod; undefined outside pods. */
export function serviceAddress(
  env: Readonly<Record<string, string | undefined>> = process.env,
): { readonly host: string; readonly port: string } | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env
  return host === '' || port === '' ? undefined : { host, port }
}

// What Kubernetes injects for a Service whose name begins with orb8.
const SERVICE_VARIABLE = /^ORB8_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/

function unknownVariables(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = ALL_SETTINGS.map((setting) => setting.variable)
  const unknown = Object.keys(env).filter((key) => key.startsWith('ORB8_') && env[key] !== '' && !known.includes(key))
  const [services, others] = [unknown.filter((key) => SERVICE_VARIABLE.test(key)), unknown.filter((key) => !SERVICE_VARIABLE.test(key))]
  const warnings = others.sort().map((key) => `${named(key)} is ignored: this version has no such setting ${hint(key, known)}`.trimEnd())
  if (services.length === 0) return warnings
  const list = services.sort().map(named).join(', ')
  return [...warnings, `${list}: ignored, as Kubernetes sets them for a Service (enableServiceLinks: false on the pod leaves them out)`]
}

const hint = (key: string, known: readonly string[]): string => {
  const guess = nearest(key, known)
  return guess === undefined ? '' : `(did you mean ${guess}?)`
}
