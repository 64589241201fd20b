import t from 'tap'
import { parseEndpoint } from '../../src/config/endpoint.ts'

t.test('the forms that the specification and gRPC know', async (t) => {
  for (const [text, address, tls] of [
    ['http://collector:4317', 'collector:4317', false],
    ['HTTPS://collector:4317/', 'collector:4317', true],
    ['http://collector:80', 'collector:80', false],
    ['http://collector', 'collector:80', false],
    ['https://collector/v1/metrics?x', 'collector:443', true],
    ['collector:4317', 'collector:4317', undefined],
    ['10.0.0.1:4317', '10.0.0.1:4317', undefined],
    ['http://[fd00::1]:4317', '[fd00::1]:4317', false],
    ['[::1]:4317', '[::1]:4317', undefined],
    ['dns:///collector:4317', 'collector:4317', undefined],
    ['unix:///run/otel.sock', 'unix:///run/otel.sock', undefined],
    ['unix:/run/otel.sock', 'unix:///run/otel.sock', undefined],
  ] as const)
    t.strictSame(parseEndpoint(text), { address, tls }, text)
})

t.test('what is none says so in words', async (t) => {
  for (const text of [
    'ftp://a:1',
    'http://',
    'http://:4317',
    'a:0',
    'a:65536',
    '::1',
    '[x]:1',
    'a b:1',
    'unix:relative',
    `unix:/${'x'.repeat(107)}`,
    'http://u:p@a:1',
  ])
    t.type(parseEndpoint(text), 'string', text)
  t.notMatch(parseEndpoint('http://user:hunter2@a:1'), /hunter2/)
})
