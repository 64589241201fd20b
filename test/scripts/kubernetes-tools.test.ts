import { execFileSync } from 'node:child_process'
import t from 'tap'
import { kubernetesTools, toolsLack, unzip } from '../../scripts/kubernetes-tools.ts'

t.test('helm and kubectl run', { skip: toolsLack() ?? false }, (t) => {
  const { helm, kubectl } = kubernetesTools()
  t.match(execFileSync(helm, ['version', '--short'], { encoding: 'utf8' }), /^v4\./)
  t.match(execFileSync(kubectl, ['version', '--client'], { encoding: 'utf8' }), /Client Version: v1\./)
  t.same(kubernetesTools(), { helm, kubectl }, 'unpacked once')
  t.end()
})

/** Made by Python's zipfile: `a/long`, deflated, and `stored`. */
const ZIP = Buffer.from(
  'UEsDBBQAAAAIAAAAIVzJ3ZC1EQAAAPQBAAAGAAAAYS9sb25nS0xPzMxTSMxLUUgcZY0QFgBQSwMEFAAAAAAAAAAhXIMW3IwBAAAAAQAAAAYAAABzdG9yZWR4UEsBAhQDFAAAAAgAAAAhXMndkLURAAAA9AEAAAYAAAAAAAAAAAAAAIABAAAAAGEvbG9uZ1BLAQIUAxQAAAAAAAAAIVyDFtyMAQAAAAEAAAAGAAAAAAAAAAAAAACAATUAAABzdG9yZWRQSwUGAAAAAAIAAgBoAAAAWgAAAAAA',
  'base64',
)

t.test('a file comes out of a zip as it went in', (t) => {
  t.equal(unzip(ZIP, 'a/long').toString(), 'again and '.repeat(50))
  t.equal(unzip(ZIP, 'stored').toString(), 'x')
  t.throws(() => unzip(ZIP, 'a'), /no a in the zip/)
  t.throws(() => unzip(Buffer.from('no zip'), 'a'), /not a zip/)
  t.end()
})
