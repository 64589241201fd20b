// What orb8 load has pinned for a process that may not load by itself. Asks once for all checks.
import type { About } from '../../kernel/about.ts'
import { usablePins } from '../../kernel/pin-survey.ts'

/** Undefined where nothing is pinned, or not for this process. */
export type Pinned = () => Promise<Pick<About, 'programs' | 'refused'> | undefined>

/** `path` is Config.pinPath. */
export function pinned(path: string | undefined): Pinned {
  let about: ReturnType<Pinned> | undefined
  return () => {
    about ??= Promise.resolve(path === undefined ? undefined : usablePins(path).about)
    return about
  }
}
