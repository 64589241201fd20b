// The rule files of this repository, as data.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

export const ROOT = join(import.meta.dirname, '..', '..')
/** Paths in the repository. */
export const RULE_FILES = globSync('rules/*.yaml', { cwd: ROOT }).sort()

export interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Groups {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

export const readYaml = (path: string): unknown => parse(readFileSync(join(ROOT, path), 'utf8'))

export const RULES: readonly Rule[] = RULE_FILES.flatMap((path) => (readYaml(path) as Groups).groups.flatMap(({ rules }) => rules))
