// What a test wants the API server to do in place of its duty, to which request and how often. Knows no HTTP.

/** Which requests; what is left out is all. */
export interface Match {
  readonly verb?: 'list' | 'watch'
  readonly resource?: string
  /** A list's later pages, or only its first. */
  readonly continued?: boolean
}

export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly message?: string; readonly reason?: string; readonly retryAfter?: string }
  /** 200 and these bytes, then the end. */
  | { readonly kind: 'body'; readonly body: string | Buffer }
  /** The right answer, cut off after so many bytes. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** No answer, and none later. */
  | { readonly kind: 'hang' }
  /** The right answer, in so small pieces. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }

interface Planned {
  readonly match: Match
  readonly fault: Fault
  left: number
}

export class Faults {
  readonly #planned: Planned[] = []

  plan(match: Match, fault: Fault, times: number): () => void {
    const planned = { match, fault, left: times }
    this.#planned.push(planned)
    return () => {
      planned.left = 0
    }
  }

  /** The first planned one that fits; counts it. */
  take(verb: string, resource: string, continued: boolean): Fault | undefined {
    const found = this.#planned.find(
      ({ match, left }) =>
        left > 0 &&
        (match.verb ?? verb) === verb &&
        (match.resource ?? resource) === resource &&
        (match.continued ?? continued) === continued,
    )
    if (found !== undefined) found.left--
    return found?.fault
  }
}
