import t from 'tap'
import { createLogger } from '../../src/log.ts'
import type { WebRules } from '../../src/model.ts'
import { tellDoor } from '../../src/publish/door-log.ts'

const RULES: WebRules = {
  tls: undefined,
  headers: {},
  users: new Map([['prometheus', '$2y$10$secret']]),
  rateLimit: { intervalMs: 100, burst: 5 },
  warnings: ['http2 is not spoken here'],
}

t.test('rules that come into force are told without what is secret, with their warnings, and wrong ones as an error', async (t) => {
  const lines: string[] = []
  const tell = tellDoor(createLogger('info', { write: (line: string) => lines.push(line) }))
  tell.changed(RULES)
  tell.refused(new Error('no such key'))
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { level: 'info', tls: false, clientCertificates: 'NoClientCert', users: 1, msg: 'the web configuration is in force' },
      { level: 'warn', msg: 'http2 is not spoken here' },
      { level: 'error', err: { message: 'no such key' } },
    ],
  )
  t.notMatch(lines.join(), /secret|prometheus/)
})
