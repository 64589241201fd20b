import t from 'tap'
import { type Listener, Source } from '../../../src/commands/export/source.ts'
import { KernelError, Orb8Error } from '../../../src/errors.ts'

class Failure extends Orb8Error {
  readonly failure: string

  constructor(failure: string) {
    super('ask', failure, '')
    this.failure = failure
  }
}

function listening(): { said: string[]; listener: Listener } {
  const said: string[] = []
  const listener: Listener = {
    collected: (collector) => said.push(`${collector} up`),
    collectionFailed: (collector, reason) => said.push(`${collector} down: ${reason}`),
    collectedPartly: (collector, reason, times) => said.push(`${collector} partly: ${reason} ${times}`),
    warn: (_, message) => said.push(message),
    info: (_, message) => said.push(message),
  }
  return { said, listener }
}

t.test('a failure is counted each time, told once, and goes no further', async (t) => {
  const { said, listener } = listening()
  const source = new Source('dcgm', listener)
  const fail = (reason: string) => source.ask<string>(() => Promise.reject(new Failure(reason)), 'the last one')
  t.equal(await source.ask(async () => 'told'), 'told')
  t.equal(await fail('connect'), 'the last one')
  await fail('connect')
  await fail('status')
  await source.ask(async () => 'told')
  await source.ask(async () => 'told')
  t.strictSame(said, [
    'dcgm up',
    ...['dcgm down: connect', 'collecting fails', 'dcgm down: connect', 'dcgm down: status', 'collecting fails'],
    ...['dcgm up', 'collecting works again', 'dcgm up'],
  ])
})

t.test('a source that is not there is neither up nor down', async (t) => {
  const { said, listener } = listening()
  t.equal(await new Source('nvml', listener).ask(async () => undefined), undefined)
  t.strictSame(said, [])
})

t.test('reasons are few words, whatever failed', async (t) => {
  const { said, listener } = listening()
  for (const error of [new KernelError('load', 'a long story', ''), new TypeError('x is undefined'), new Orb8Error('ask', 'no', '')])
    await new Source('nvml', listener).ask(() => Promise.reject(error))
  t.strictSame(
    said.filter((text) => text.startsWith('nvml')),
    ['nvml down: library', 'nvml down: internal', 'nvml down: other'],
  )
})

t.test('what failed in part is counted as often', async (t) => {
  const { said, listener } = listening()
  new Source('nvml', listener).partly(new Map([['timeout', 2]]))
  new Source('nvml', listener).partly(undefined)
  t.strictSame(said, ['nvml partly: timeout 2'])
})
