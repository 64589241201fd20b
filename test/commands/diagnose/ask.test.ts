import t from 'tap'
import { ask, reachable, shown } from '../../../src/commands/diagnose/ask.ts'
import { http, nobody, tcp } from './listening.ts'

t.test('an address of every interface is reached over loopback', async (t) => {
  t.strictSame(
    ['', '0.0.0.0', '::', '::1', '10.1.2.3', 'node-1'].map((host) => shown(reachable({ host, port: 9091 }))),
    ['127.0.0.1:9091', '127.0.0.1:9091', '[::1]:9091', '[::1]:9091', '10.1.2.3:9091', 'node-1:9091'],
  )
})

t.test('the lines that are wanted come, with the status', async (t) => {
  const address = await http(t, ({ url, headers }, response) => {
    response.writeHead(url === '/metrics' ? 200 : 404)
    response.end(`a 1\nb 2\n${headers['accept-encoding']}\na 3`)
  })
  t.strictSame(await ask(address, '/metrics', (line) => line.startsWith('a')), { status: 200, lines: ['a 1', 'a 3'] })
  t.strictSame(await ask(address, '/other', () => false), { status: 404, lines: ['a 1', 'b 2', 'identity', 'a 3'] })
})

t.test('more lines than anybody could want are not kept', async (t) => {
  const address = await http(t, (_request, response) => response.end('a 1\n'.repeat(20_000)))
  t.equal((await ask(address, '/')).lines.length, 10_000)
})

t.test('what is no whole answer is an error by its code', async (t) => {
  await t.rejects(ask(await nobody(), '/'), { message: 'ECONNREFUSED' })
  await t.rejects(ask(await tcp(t, ''), '/'), { message: 'ECONNRESET' })
  await t.rejects(ask(await tcp(t, '\x15\x03\x03\x00\x02\x02\x46'), '/'), { message: /^HPE_/ })
  await t.rejects(ask(await tcp(t, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort\n'), '/'), { message: /ECONNRESET|cut/ })
})
