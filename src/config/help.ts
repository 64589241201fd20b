// The settings as --help shows them. Reads their definitions, changes none.
import { ALL_SETTINGS } from './settings.ts'

const WIDTH = 90

/** Words of `text` in lines of at most WIDTH columns, each after `indent` spaces. */
function wrapped(text: string, indent: number): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && indent + last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => `${' '.repeat(indent)}${line}\n`).join('')
}

/** Every setting with its flag, variable, key in the file, default and meaning. */
export function settingsHelp(): string {
  const entries = ALL_SETTINGS.map(
    ({ flag, placeholder, variable, specific, fileKey, fallback, fallbackShown, help }) =>
      `  ${flag}=${placeholder}\n${wrapped(`${specific === undefined ? '' : `${specific} or `}${variable}, in the file ${fileKey}; default: ${fallbackShown ?? fallback}`, 6)}${wrapped(help, 6)}`,
  )
  const file = `  --config=FILE\n${wrapped('A YAML file of settings.', 6)}`
  const order = wrapped('A flag wins over the environment, that over the file, that over the default. An empty variable is unset.', 0)
  return `Settings\n\n${[file, ...entries].join('\n')}\n${order}`
}
