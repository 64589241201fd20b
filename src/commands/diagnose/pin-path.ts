// Can counters go on over a restart at the pin path, what is there already, and is an exporter using it? Only looks.
import { type PinSurvey, surveyPins, usablePins } from '../../kernel/pin-survey.ts'
import type { Check, Finding } from './check.ts'

/** Enough to see whose they are. */
const SHOWN_NAMES = 6

/** `path` is Config.pinPath; undefined where the setting is. */
export function pinPath(path: string | undefined, locks?: string): Check {
  return {
    name: 'pin_path',
    run: async () => [path === undefined ? finding('ok', 'not set: counters end with the exporter') : await look(path, locks)],
  }
}

async function look(path: string, locks: string | undefined): Promise<Finding> {
  try {
    const survey = await surveyPins(path, locks)
    const { exists, onBpffs } = survey
    if (!onBpffs) return finding('fail', `${path} is on no bpffs`, 'choose a directory below one: mount -t bpf bpf /sys/fs/bpf')
    if (!exists) return finding('ok', `${path} is on a bpffs and will be made`)
    return found(path, survey)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    return finding('warn', `${path} cannot be looked into: ${code}`, 'run as root, or as a member of its group')
  }
}

function found(path: string, { names, holder }: PinSurvey): Finding {
  const use = holder === undefined ? 'used by no exporter' : `in use by process ${holder}`
  const told = `${path}: ${pinned(names)}, ${use}`
  const { refusal } = usablePins(path)
  if (refusal !== undefined) return finding('fail', `${told}, not for this process: ${refusal.reason}`, refusal.remedy)
  return finding('ok', told)
}

function pinned(names: readonly string[]): string {
  if (names.length === 0) return 'nothing pinned'
  const more = names.length > SHOWN_NAMES ? ', ...' : ''
  return `${names.length} pinned (${names.slice(0, SHOWN_NAMES).join(', ')}${more})`
}

const finding = (status: Finding['status'], found: string, remedy = ''): Finding => ({ check: 'pin_path', status, found, remedy })
