// One watch of a resource, from its first byte to its end. Knows the protocol of watching; nothing of when to begin another.
import type { ApiClient } from './client.ts'
import { readEvent } from './events.ts'
import { ApiFailure, refused } from './failure.ts'
import { type Intake, MAX_OBJECT_BYTES } from './intake.ts'
import { LineSplitter } from './line-splitter.ts'
import { isOlder } from './resource-version.ts'
import { Slices } from './slices.ts'

/** A server ends each watch some time between the two, so that those of many nodes spread. */
const LEAST_SECONDS = 300
const MOST_SECONDS = 600
/** Around the object stand type and braces. */
const MAX_LINE_BYTES = MAX_OBJECT_BYTES + 1024

export interface WatchQuestion {
  readonly deed: string
  readonly path: string
  readonly fieldSelector?: string | undefined
  readonly silenceMs: number
  readonly signal: AbortSignal
  readonly version: string
  readonly random: () => number
}

export interface WatchProgress {
  /** The server has answered: from now on changes come. */
  begun(): void
  /** Everything up to this version is known. */
  reached(version: string): void
}

/** No watch can go on from here: a list is due. */
export class NotResumable extends ApiFailure {
  /** The server has other versions than before: it was restored, or is another one. */
  readonly turnedBack: boolean

  constructor(failure: ApiFailure, turnedBack: boolean) {
    super(failure.deed, failure.reason, failure.remedy, { ...(failure.refusal && { refusal: failure.refusal }) })
    this.turnedBack = turnedBack
  }
}

/** Resolves when the server ends the watch in order. Throws where it was cut, refused or has expired. */
export async function watch<T>(client: ApiClient, question: WatchQuestion, intake: Intake<T>, progress: WatchProgress): Promise<void> {
  const { deed, path, silenceMs, signal } = question
  const body = await client.get({ deed, path, query: queryOf(question), silenceMs, signal })
  progress.begun()
  const reader = new EventReader(question, intake, progress)
  const lines = new LineSplitter(MAX_LINE_BYTES)
  const slices = new Slices()
  const take = (line: string | undefined): void => reader.take(line)
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at = lines.next(chunk, at, take)) if (slices.used) await slices.breathe()
  }
}

function queryOf({ fieldSelector, version, random }: WatchQuestion): URLSearchParams {
  return new URLSearchParams({
    ...(fieldSelector !== undefined && { fieldSelector }),
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: version,
    timeoutSeconds: `${LEAST_SECONDS + Math.floor(random() * (MOST_SECONDS - LEAST_SECONDS))}`,
  })
}

class EventReader<T> {
  readonly #deed: string
  readonly #intake: Intake<T>
  readonly #progress: WatchProgress
  #version: string

  constructor({ deed, version }: WatchQuestion, intake: Intake<T>, progress: WatchProgress) {
    this.#deed = deed
    this.#version = version
    this.#intake = intake
    this.#progress = progress
  }

  take(line: string | undefined): void {
    const event = line === undefined ? undefined : readEvent(line)
    if (event === undefined) this.#intake.skip('too_large')
    else if (event.kind === 'odd') this.#intake.skip('garbage')
    else if (event.kind === 'error') throw new NotResumable(refused(this.#deed, { ...event, retryAfterMs: undefined }), false)
    else {
      this.#reach(event.version)
      if (event.kind === 'put') this.#intake.put(event.object)
      else if (event.kind === 'remove') this.#intake.remove(event.object)
      else event.kind satisfies 'bookmark'
    }
  }

  #reach(version: string): void {
    if (version === '') return
    if (isOlder(version, this.#version)) throw new NotResumable(new ApiFailure(this.#deed, 'its versions run backwards', ''), true)
    this.#version = version
    this.#progress.reached(version)
  }
}
