// Which failures of one watch are worth a line in the log: an outage's beginning, its change and its end. Knows words only.

/** A watch that breaks is life: load balancers, restarts of the server, and then a version too old. */
const WORTH_A_LINE = 3

export interface Log {
  info(message: string): void
  warn(message: string): void
}

export class Outage {
  readonly #log: Log
  readonly #resource: string
  #failures = 0
  #told = ''
  #brokeOff = false

  constructor(resource: string, log: Log) {
    this.#resource = resource
    this.#log = log
  }

  /** `brokeOff`: it had begun to work. */
  failed(message: string, brokeOff: boolean): void {
    this.#failures++
    this.#brokeOff = brokeOff
    if (brokeOff && this.#failures < WORTH_A_LINE) return
    // The same failure may come with other versions and times.
    const kind = message.replaceAll(/\d+/g, '0')
    if (kind !== this.#told) this.#log.warn(message)
    this.#told = kind
  }

  /** The server answers. What broke off the last time may do so again. */
  answered(): void {
    if (!this.#brokeOff) this.over()
  }

  /** Changes come. */
  over(): void {
    if (this.#told !== '') this.#log.info(`${this.#resource} of the cluster are followed again`)
    this.#failures = 0
    this.#told = ''
    this.#brokeOff = false
  }
}
