import t from 'tap'
import { parseListen } from '../../src/config/listen.ts'

t.test('addresses to listen on are taken apart', async (t) => {
  t.strictSame(parseListen([':9091']), [{ host: '', port: 9091 }])
  t.strictSame(parseListen([':0']), [{ host: '', port: 0 }])
  t.strictSame(parseListen(['127.0.0.1:65535']), [{ host: '127.0.0.1', port: 65535 }])
  t.strictSame(parseListen(['[::1]:9091']), [{ host: '::1', port: 9091 }])
  t.strictSame(parseListen(['[fe80::1%eth0]:1']), [{ host: 'fe80::1%eth0', port: 1 }])
  t.strictSame(parseListen(['node-1.example.org:80']), [{ host: 'node-1.example.org', port: 80 }])
})

t.test('what is not an address says why', async (t) => {
  const wrong: Record<string, RegExp> = {
    '': /not an address/,
    '9091': /not an address/,
    localhost: /not an address/,
    ':': /not an address/,
    ':-1': /not an address/,
    ':80 ': /not an address/,
    'http://localhost:80': /not an address/,
    '[::1]': /without brackets|not an address/,
    ':65536': /above 65535/,
    '::1:9091': /without brackets/,
    '2001:db8::1:9091': /without brackets/,
    '[127.0.0.1]:80': /brackets/,
    '[]:80': /brackets/,
    '256.1.1.1:80': /host name/,
    '1.2.3:80': /host name/,
    '-x:80': /host name/,
    'a b:80': /host name/,
    'unix:': /absolute path/,
    'unix:run/orb8.sock': /absolute path/,
    'unix:/run/': /absolute path/,
    [`unix:/${'a'.repeat(107)}`]: /at most 107 bytes/,
    'unix:/a\0b': /no unix socket/,
  }
  for (const [text, problem] of Object.entries(wrong)) t.match(parseListen([text]), problem, text)
})

t.test('several addresses stand in one list, unix sockets among them', async (t) => {
  t.strictSame(parseListen([':9091', 'unix:/run/orb8.sock', '[::1]:9091']), [
    { host: '', port: 9091 },
    { path: '/run/orb8.sock' },
    { host: '::1', port: 9091 },
  ])
  t.strictSame(parseListen([`unix:/${'a'.repeat(106)}`]), [{ path: `/${'a'.repeat(106)}` }])
  t.match(parseListen([]), /no address/)
  t.match(parseListen([':1', ':2', ':1']), /one address twice/)
  t.match(parseListen([':1', '9091']), /not an address/)
  t.match(parseListen(Array.from({ length: 17 }, (_, port) => `:${port}`)), /has 17 addresses/)
})
