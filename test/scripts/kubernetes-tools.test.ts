import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { kubernetesTools, toolsLack, unzip } from '../../scripts/kubernetes-tools.ts'

t.test('helm and kubectl run', { skip: toolsLack() ?? false }, (t) => {
  const { helm, kubectl } = kubernetesTools()
  t.match(execFileSync(helm, ['version', '--short'], { encoding: 'utf8' }), /^v4\./)
  t.match(execFileSync(kubectl, ['version', '--client'], { encoding: 'utf8' }), /Client Version: v1\./)
  t.same(kubernetesTools(), { helm, kubectl }, 'unpacked once')
  t.end()
})

t.test('a file comes out of a zip as it went in', (t) => {
  const folder = mkdtempSync(join(tmpdir(), `orb8-test-zip-${process.pid}-`))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'x.zip')
  const long = 'again and '.repeat(1000)
  const program =
    'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED)\nz.writestr("a/long",sys.argv[2])\nz.writestr("stored","x",zipfile.ZIP_STORED)'
  try {
    execFileSync('python3', ['-c', program, path, long])
  } catch {
    t.pass('no python3 here to make a zip with: helm above came out of one')
    t.end()
    return
  }
  const zip = readFileSync(path)
  t.equal(unzip(zip, 'a/long').toString(), long)
  t.equal(unzip(zip, 'stored').toString(), 'x')
  t.throws(() => unzip(zip, 'a'), /no a in the zip/)
  writeFileSync(path, 'no zip')
  t.throws(() => unzip(readFileSync(path), 'a'), /not a zip/)
  t.end()
})
