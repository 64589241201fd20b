import t from 'tap'
import { chooseFormat, wantsGzip } from '../../src/publish/negotiate.ts'

const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
const TEXT_1 = 'text/plain; version=1.0.0; charset=utf-8'
const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
const UTF8 = '; escaping=allow-utf-8'
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,' +
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'
const PROTOBUF =
  'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,' +
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'

const ACCEPT: readonly (readonly [string | undefined, string])[] = [
  [undefined, TEXT],
  ['', TEXT],
  ['*/*', TEXT],
  ['text/*', TEXT],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', TEXT],
  [PROMETHEUS_3, OPEN + UTF8],
  [PROTOBUF, OPEN + UTF8],
  [PROMETHEUS_2, OPEN],
  ['application/openmetrics-text', OPEN],
  ['application/openmetrics-text; version=1.0.0; charset=utf-8', OPEN],
  ['APPLICATION/OpenMetrics-Text;Version="1.0.0"', OPEN],
  ['application/openmetrics-text;version=1.0.0;escaping=dots', OPEN],
  ['application/openmetrics-text;version=0.0.1', TEXT],
  ['application/openmetrics-text;version=2.0.0', TEXT],
  ['application/openmetrics-text;q=0', TEXT],
  ['application/openmetrics-text;q=0.3,text/plain;q=0.4', TEXT],
  ['text/plain;q=0.3,application/openmetrics-text;q=0.4', OPEN],
  ['text/plain,application/openmetrics-text', TEXT],
  ['text/plain;version=1.0.0', TEXT_1],
  ['text/plain;version=1.0.0;escaping=allow-utf-8', TEXT_1 + UTF8],
  ['application/json', TEXT],
  ['application/openmetrics-text;q=2', TEXT],
  ['application/openmetrics-text;q=x', TEXT],
  [',;=;q,,;;;=="', TEXT],
]

t.test('the format asked for most is chosen', async (t) => {
  for (const [accept, contentType] of ACCEPT) t.equal(chooseFormat(accept).contentType, contentType, accept ?? 'no header')
  for (const [accept, contentType] of ACCEPT)
    t.equal(chooseFormat(accept).format, contentType.startsWith('application') ? 'openmetrics' : 'prometheus')
})

const ENCODINGS: readonly (readonly [string | undefined, boolean])[] = [
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['GZIP', true],
  ['x-gzip', true],
  ['gzip, deflate, br, zstd', true],
  ['deflate, br', false],
  ['*', true],
  ['*;q=0', false],
  ['gzip;q=0', false],
  ['gzip;q=0.0, *', false],
  ['gzip;q=0.001', true],
  ['identity', false],
  ['identity;q=1, gzip;q=0.5', false],
  ['identity;q=0.5, gzip;q=1', true],
  ['identity;q=0', false],
  ['gzip;q=nonsense', false],
]

t.test('gzip is used where it is wanted', async (t) => {
  for (const [header, wanted] of ENCODINGS) t.equal(wantsGzip(header), wanted, header ?? 'no header')
})
