// A Dockerfile's stages and their instructions, as far as ours goes. Knows the syntax; runs nothing.

export interface Instruction {
  readonly word: string
  /** `--name=value` before the arguments. */
  readonly flags: ReadonlyMap<string, string>
  readonly text: string
  readonly line: number
}

export interface Stage {
  readonly name: string
  readonly from: string
  readonly platform: string | undefined
  readonly instructions: readonly Instruction[]
}

export interface Dockerfile {
  /** ARG before the first stage. */
  readonly global: readonly Instruction[]
  readonly stages: readonly Stage[]
}

export function parseDockerfile(text: string): Dockerfile {
  const global: Instruction[] = []
  const stages: (Stage & { instructions: Instruction[] })[] = []
  for (const instruction of instructionsOf(text)) {
    if (instruction.word === 'FROM') {
      const [from = '', , name = ''] = instruction.text.split(/\s+/)
      stages.push({ name, from, platform: instruction.flags.get('platform'), instructions: [] })
    } else (stages.at(-1)?.instructions ?? global).push(instruction)
  }
  return { global, stages }
}

function instructionsOf(text: string): readonly Instruction[] {
  const found: Instruction[] = []
  let whole = ''
  let first = 0
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    if (whole === '') first = index + 1
    whole += line.replace(/\\$/, ' ')
    if (line.endsWith('\\')) continue
    found.push(instruction(whole, first))
    whole = ''
  }
  if (whole !== '') throw new Error(`line ${first} goes on at the end of the file`)
  return found
}

function instruction(whole: string, line: number): Instruction {
  const [, word = '', rest = ''] = /^\s*(\w+)\s+([\s\S]*)$/.exec(whole) ?? []
  if (word === '') throw new Error(`line ${line} is no instruction: ${whole}`)
  const flags = new Map<string, string>()
  let text = rest
  for (let flag = /^--([\w-]+)=(\S+)\s+/.exec(text); flag !== null; flag = /^--([\w-]+)=(\S+)\s+/.exec(text)) {
    flags.set(flag[1] ?? '', flag[2] ?? '')
    text = text.slice(flag[0].length)
  }
  return { word: word.toUpperCase(), flags, text: text.trim(), line }
}

/** `$NAME` and `${NAME}`; what has no value is empty. */
export function substitute(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => values.get(braced ?? bare ?? '') ?? '')
}

/** `NAME=value` and `NAME="value"`, several of them. */
export function assignments(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/([\w.-]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)].map(
      ([, name = '', quoted, bare]) => [name, quoted ?? bare ?? ''] as const,
    ),
  )
}

/** The JSON form of CMD and ENTRYPOINT. Throws for the shell's form. */
export function words(text: string): readonly string[] {
  return JSON.parse(text) as readonly string[]
}
