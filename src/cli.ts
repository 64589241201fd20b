#!/usr/bin/env node
// The command line: parses, picks a command, says in one line what went wrong. Does nothing itself.
import { EXIT_REFUSED, EXIT_WRONG, Orb8Error } from './errors.ts'

interface Command {
  readonly summary: string
  /** Answers --help. */
  readonly help: () => Promise<string>
  /** Resolves to the exit code, or to nothing where the process ends by itself. */
  readonly run: (argv: readonly string[]) => Promise<number | undefined>
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  [
    'export',
    {
      summary: 'count, and serve /metrics; also without a command',
      help: async () => {
        const { settingsHelp } = await import('./config/help.ts')
        return `Usage: orb8 [export] [--name=value ...]\n\nCounts what each workload of this host sends to whom, and serves /metrics.\n\n${settingsHelp()}`
      },
      run: async (argv) => {
        const { loadConfig } = await import('./config.ts')
        const { config, warnings } = await loadConfig({ argv })
        const { runExporter } = await import('./export.ts')
        await runExporter(config, warnings)
        return undefined
      },
    },
  ],
  [
    'load',
    {
      summary: 'load, attach and pin the kernel programs, and end',
      help: async () => (await import('./commands/load.ts')).LOAD_HELP,
      run: async (argv) => (await import('./commands/load.ts')).load(argv),
    },
  ],
  [
    'unload',
    {
      summary: 'remove everything that is pinned',
      help: async () => (await import('./commands/unload.ts')).UNLOAD_HELP,
      run: async (argv) => (await import('./commands/unload.ts')).unload(argv),
    },
  ],
  [
    'diagnose',
    {
      summary: 'say what this host lacks for the exporter, and how to mend it',
      help: async () => (await import('./commands/diagnose.ts')).DIAGNOSE_HELP,
      run: async (argv) => (await import('./commands/diagnose.ts')).diagnose(argv),
    },
  ],
])

const overview = (): string => {
  const commands = [...COMMANDS].map(([name, { summary }]) => `  orb8 ${name.padEnd(10)} ${summary}\n`)
  return `Usage: orb8 [command] [--name=value ...]\n\n${commands.join('')}\n  --help, -h      of orb8 or of a command\n  --version\n`
}

async function main(argv: readonly string[]): Promise<number | undefined> {
  const [first] = argv
  const bare = first === undefined || first.startsWith('-')
  const asked = (...names: string[]): boolean => argv.some((word) => names.includes(word))
  if (asked('--version')) return say(`orb8 ${(await import('./version.ts')).VERSION}\n`)
  if (bare && asked('--help', '-h')) return say(overview())
  const command = COMMANDS.get(bare ? 'export' : first)
  if (command === undefined) throw await unknownCommand(first ?? '')
  return asked('--help', '-h') ? say(await command.help()) : command.run(bare ? argv : argv.slice(1))
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

async function unknownCommand(name: string): Promise<Orb8Error> {
  const [{ didYouMean }, { quoted }] = await Promise.all([import('./config/nearest.ts'), import('./config/quote.ts')])
  const remedy = `${didYouMean(name, [...COMMANDS.keys()])}orb8 --help lists all`
  return new Orb8Error(`run ${quoted(name)}`, 'there is no such command', remedy, { exitCode: EXIT_WRONG })
}

// A reader such as `head` may go away before the end: that is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

main(process.argv.slice(2)).then(
  (code) => {
    if (code !== undefined) process.exit(code)
  },
  (error: unknown) => {
    const known = error instanceof Orb8Error
    process.stderr.write(known ? `orb8: ${error.message.replaceAll(/\s+/g, ' ')}\n` : `${error instanceof Error ? error.stack : error}\n`)
    process.exit(known ? error.exitCode : EXIT_REFUSED)
  },
)
