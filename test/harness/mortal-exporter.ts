// The exporter, ended by SIGKILL before a named step of a collection: `MORTAL_STEP=commit:2` ends it before its second commit.
import { loadConfig } from '../../src/config.ts'
import { runExporter } from '../../src/export.ts'

const [step, time] = (process.env.MORTAL_STEP ?? '').split(':')
let seen = 0

const { config, warnings } = await loadConfig({ argv: process.argv.slice(3) })
await runExporter(config, warnings, {
  step: (name) => {
    if (name === step && ++seen === Number(time)) process.kill(process.pid, 'SIGKILL')
  },
})
