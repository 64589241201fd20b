// What a person reads in the log when something begins, changes or ends, once per change. Decides nothing.
import type { DialNews } from '../../kernel/dial-observers.ts'
import type { Logger } from '../../log.ts'
import type { Self } from '../../publish/self.ts'

/** `reason`: why counters start anew; empty where they go on. */
export function tellOpening(reason: string, log: Logger): void {
  if (reason === '') log.info('counters go on from where they were')
  else log.info({ reason }, 'every counter starts at 0')
}

export function tellDials(news: readonly DialNews[], self: Self, log: Logger): void {
  const those = (state: DialNews['state']): readonly DialNews[] => news.filter((one) => one.state === state)
  const names = (some: readonly DialNews[]): readonly string[] => some.map(({ program }) => program)
  for (const { program, state, cgroup, refusal } of news) {
    self.programLoaded(program, state !== 'refused')
    if (refusal !== undefined) log.warn({ ...refusal, cgroup }, 'what pods dial is not seen: Services may be shown as their pods')
  }
  const [observing, idle, left] = [those('observes'), those('idle'), those('left')]
  if (observing.length > 0)
    log.info({ programs: names(observing), cgroup: observing[0]?.cgroup }, 'others may rewrite what pods dial: observed')
  if (idle.length > 0) log.info({ programs: names(idle) }, 'nobody rewrites what pods dial any more')
  if (left.length > 0)
    log.info({ programs: names(left) }, 'this process may not ask who rewrites what pods dial: it is observed where orb8 load found it so')
}

/** Whoever asked for it, a collection that fails is told in the log, once per change. */
export function toldOf<T>(log: Logger, collect: () => Promise<T>): () => Promise<T> {
  let failing = ''
  return async () => {
    try {
      const collected = await collect()
      if (failing !== '') log.info('collecting works again')
      failing = ''
      return collected
    } catch (error) {
      const { message } = error as Error
      if (message !== failing) log.error({ err: error }, 'a collection failed')
      failing = message
      throw error
    }
  }
}
