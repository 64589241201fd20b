// Follows a web configuration file and the files that it names: rules that are as the files are now. Knows files and their marks;
// nothing of what the rules say.
import { type BigIntStats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { WebRules } from '../model.ts'
import { readBounded } from './file.ts'
import { quotedPath } from './quote.ts'
import { reasonOf, webRules } from './web-rules.ts'
import { YamlFault, yamlReader } from './web-yaml.ts'

const ALLOWED = "a web configuration file in the format of Prometheus' exporter-toolkit"

/** A file that was written so short before it was read may be written once more with the same marks: clocks of file systems are coarse. */
const SETTLED_MS = 1000

interface Seen {
  readonly marks: string
  /** undefined where it cannot be read. */
  readonly text: string | undefined
}

type Outcome = { readonly rules: WebRules } | { readonly error: unknown }

/**
 * Gives the rules of the moment: the same object until a file changes, looked at by a few calls of stat each time. Throws ConfigError
 * where a file is wrong, the same until one changes. Rejects where they are wrong now.
 */
export async function openWebFile(path: string): Promise<() => WebRules> {
  const file = resolve(path)
  const readYaml = await yamlReader()
  let seen = new Map<string, Seen>()
  let settled = false
  let outcome: Outcome | undefined

  const read = (name: string): string => {
    const before = marksOf(name)
    let text: string | undefined
    try {
      if (before.file === false) throw new Error('it is no regular file')
      text = readBounded(name)
      return text
    } finally {
      seen.set(name, { marks: before.marks, text })
      settled &&= Date.now() - before.changedMs > SETTLED_MS
    }
  }
  const load = (): Outcome => {
    seen = new Map()
    settled = true
    try {
      return { rules: webRules(file, readYaml(readTop(file, read)), read) }
    } catch (error) {
      return { error: error instanceof YamlFault ? wrong(file, error.message) : error }
    }
  }
  const isSame = (): boolean => {
    if (settled) return [...seen].every(([name, { marks }]) => marksOf(name).marks === marks)
    const before = [...seen]
    settled = true
    return before.every(([name, { text }]) => {
      try {
        return read(name) === text
      } catch {
        return text === undefined
      }
    })
  }
  const current = (): WebRules => {
    if (outcome === undefined || !isSame()) outcome = load()
    if ('error' in outcome) throw outcome.error
    return outcome.rules
  }
  current()
  return current
}

const wrong = (file: string, problem: string): ConfigError =>
  new ConfigError('ORB8_WEB_CONFIG_FILE', `${quotedPath(file)} ${problem}`, ALLOWED)

function readTop(file: string, read: (name: string) => string): string {
  try {
    return read(file)
  } catch (error) {
    throw wrong(file, `cannot be read: ${reasonOf(error)}`)
  }
}

function marksOf(name: string): { readonly marks: string; readonly changedMs: number; readonly file: boolean | undefined } {
  let stats: BigIntStats | undefined
  try {
    stats = statSync(name, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return { marks: reasonOf(error), changedMs: 0, file: undefined }
  }
  if (stats === undefined) return { marks: 'none', changedMs: 0, file: undefined }
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  return { marks: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changedMs: Number(ctimeNs / 1_000_000n), file: stats.isFile() }
}
