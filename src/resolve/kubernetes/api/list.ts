// One full list of a resource, page by page, each object handed on as soon as its bytes are there. Knows the protocol of listing.
import type { ApiClient } from './client.ts'
import { isRecord, versionOf } from './events.ts'
import { ApiFailure } from './failure.ts'
import { type Intake, MAX_OBJECT_BYTES } from './intake.ts'
import { ListSplitter } from './list-splitter.ts'
import { Slices } from './slices.ts'

const PAGE = 500
/** Ten million objects: a server that goes on beyond is going in circles. */
const MAX_PAGES = 20_000
const GONE = 410

export interface ListQuestion {
  readonly deed: string
  readonly path: string
  readonly fieldSelector?: string | undefined
  readonly silenceMs: number
  readonly signal: AbortSignal
  /**
   * `0`: as the server's cache has it. Another version: at least as new as that. Empty: as the cluster's store has it, which costs the
   * server most.
   */
  readonly atLeast: string
}

/** The version of the list, from which a watch goes on. What was put before an error stays put. */
export async function list<T>(client: ApiClient, question: ListQuestion, intake: Intake<T>): Promise<string> {
  intake.sink.listing()
  let page = await nextPage(client, question, firstQuery(question), intake)
  for (let pages = 1; page.next !== ''; pages++) {
    if (pages === MAX_PAGES) throw new ApiFailure(question.deed, `more than ${MAX_PAGES} pages`, '')
    try {
      page = await nextPage(client, question, new URLSearchParams({ ...selector(question), limit: `${PAGE}`, continue: page.next }), intake)
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.refusal?.status !== GONE) throw error
      // The pages' version is no longer kept: all in one then, at the same age as was asked for.
      const query = firstQuery(question)
      query.delete('limit')
      intake.sink.listing()
      page = await nextPage(client, question, query, intake)
    }
  }
  await intake.sink.listed()
  return page.version
}

function firstQuery(question: ListQuestion): URLSearchParams {
  const query = new URLSearchParams({ ...selector(question), limit: `${PAGE}` })
  if (question.atLeast === '') return query
  query.set('resourceVersion', question.atLeast)
  // Without it a version together with a limit means exactly that version.
  if (question.atLeast !== '0') query.set('resourceVersionMatch', 'NotOlderThan')
  return query
}

const selector = ({ fieldSelector }: ListQuestion): Record<string, string> => (fieldSelector === undefined ? {} : { fieldSelector })

interface Page {
  readonly version: string
  /** Empty on the last page. */
  readonly next: string
}

async function nextPage<T>(client: ApiClient, question: ListQuestion, query: URLSearchParams, intake: Intake<T>): Promise<Page> {
  const { deed, path, silenceMs, signal } = question
  const splitter = new ListSplitter(MAX_OBJECT_BYTES)
  const slices = new Slices()
  const take = (text: string | undefined): void => intake.item(text)
  try {
    for await (const chunk of await client.get({ deed, path, query, silenceMs, signal })) {
      for (let at = 0; at < chunk.length; at = splitter.next(chunk, at, take)) if (slices.used) await slices.breathe()
    }
    const head = splitter.end()
    const version = versionOf(head)
    if (version !== '') return { version, next: continueOf(head) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new ApiFailure(deed, 'the answer is no list of Kubernetes', 'is there a proxy in between?')
}

function continueOf(head: unknown): string {
  const metadata = isRecord(head) ? head.metadata : undefined
  const token = isRecord(metadata) ? metadata.continue : undefined
  return typeof token === 'string' ? token : ''
}
