// May a resource be listed and watched? Knows what a refusal means; nothing of who is let in.
import type { Orb8Error } from '../../../errors.ts'
import { ApiFailure, explained } from '../../../resolve/kubernetes/api/failure.ts'
import type { Finding } from '../check.ts'
import type { Listed, Questions } from './questions.ts'

const FORBIDDEN = 403
/** A watch from here tells all that there is: it is ended before that. */
const FROM_ANYWHERE = '0'

export type Verb = 'list' | 'watch'

export interface Refused {
  readonly verb: Verb
  readonly failure: Orb8Error
}

/** Where the list was refused the watch is tried all the same: a role may lack one or both. */
export async function refusedOf(
  questions: Questions,
  resource: string,
  listing: Promise<Listed>,
  fieldSelector?: string,
): Promise<readonly Refused[]> {
  const refused: Refused[] = []
  const note = (verb: Verb) => (error: unknown) => {
    refused.push({ verb, failure: explained(`${verb} ${resource}`, error) })
  }
  const listed = await listing.catch(note('list'))
  await questions.watch(resource, listed?.version ?? FROM_ANYWHERE, fieldSelector).catch(note('watch'))
  return refused
}

export function rights(resource: string, refused: readonly Refused[]): Finding {
  const check = `kubernetes ${resource}`
  if (refused.length === 0) return { check, status: 'ok', found: 'may be listed and watched', remedy: '' }
  const found = refused.map(({ verb, failure }) => `${verb}: ${failure.reason}`).join('; ')
  const forbidden = refused.flatMap(({ verb, failure }) => (isForbidden(failure) ? [verb] : []))
  const remedy =
    forbidden.length > 0 ? `the role of this account needs ${forbidden.join(' and ')} on ${resource}` : refused[0]?.failure.remedy
  return { check, status: 'fail', found, remedy: remedy ?? '' }
}

function isForbidden(failure: Orb8Error): boolean {
  return failure instanceof ApiFailure && failure.refusal?.status === FORBIDDEN
}
