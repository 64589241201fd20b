import t from 'tap'
import { toldOf } from '../../../src/commands/export/news.ts'
import type { Logger } from '../../../src/log.ts'

t.test('a failure is told once, another one again, and its end too', async (t) => {
  const lines: string[] = []
  const log = {
    error: ({ err }: { err: Error }, message: string) => lines.push(`${message}: ${err.message}`),
    info: (message: string) => lines.push(message),
  } as unknown as Logger
  const results = ['no map', 'no map', 'no memory', '', '', 'no map']
  const collect = toldOf(log, async () => {
    const failure = results.shift() ?? ''
    if (failure !== '') throw new Error(failure)
    return 1
  })
  for (const expected of ['no map', 'no map', 'no memory']) await t.rejects(collect(), { message: expected })
  t.same([await collect(), await collect()], [1, 1])
  await t.rejects(collect(), { message: 'no map' })
  t.same(lines, ['a collection failed: no map', 'a collection failed: no memory', 'collecting works again', 'a collection failed: no map'])
})
