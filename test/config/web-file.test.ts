import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openWebFile } from '../../src/config/web-file.ts'
import { ConfigError } from '../../src/errors.ts'
import { selfSigned } from '../harness/authority.ts'

const HASH = '$2y$04$.......................KyxKLMd5vyP1icw21wqSvz/XeB9gba'

t.test('rules are the same object until the file changes, also twice within a tick', async (t) => {
  const file = join(t.testdir({ 'web.yml': '' }), 'web.yml')
  const current = await openWebFile(file)
  const first = current()
  t.equal(first.users.size, 0)
  t.equal(current(), first)
  for (const user of ['a', 'b', 'c', 'd']) {
    writeFileSync(file, `basic_auth_users: {${user}: ${HASH}}\n`)
    t.strictSame([...current().users.keys()], [user])
  }
  const last = current()
  writeFileSync(file, `basic_auth_users: {d: ${HASH}}\n`)
  t.equal(current(), last, 'the same again is no change')
  // Long settled: only its marks are looked at from here on.
  await new Promise((resolve) => setTimeout(resolve, 1100))
  t.equal(current(), last)
  writeFileSync(file, `basic_auth_users: {e: ${HASH}}\n`)
  t.strictSame([...current().users.keys()], ['e'])
})

t.test('a certificate that is renewed beside its key is picked up, one that fits no key is said once', async (t) => {
  const folder = t.testdir({ 'web.yml': 'tls_server_config: {cert_file: live/s.crt, key_file: live/s.key}\n' })
  const issue = (name: string): string => {
    mkdirSync(join(folder, name))
    return selfSigned(join(folder, name), 's').cert
  }
  const [one, two] = [issue('one'), issue('two')]
  // As Kubernetes mounts secrets.
  const point = (name: string): void => {
    symlinkSync(name, join(folder, 'new'))
    renameSync(join(folder, 'new'), join(folder, 'live'))
  }
  point('one')
  const current = await openWebFile(join(folder, 'web.yml'))
  t.equal(current().tls?.cert, one)
  point('two')
  t.equal(current().tls?.cert, two)
  writeFileSync(join(folder, 'two', 's.crt'), one)
  const errors = [0, 1].map(() => {
    try {
      return current()
    } catch (error) {
      return error
    }
  })
  t.match(errors[0], { message: /tls_server_config\.key_file .* does not belong to the certificate/ })
  t.equal(errors[1], errors[0], 'the same error until something changes')
  writeFileSync(join(folder, 'two', 's.crt'), two)
  t.equal(current().tls?.cert, two)
  rmSync(join(folder, 'two', 's.key'))
  t.throws(current, { message: /key_file .* cannot be read: ENOENT/ })
})

t.test('a file that cannot be had ends the start with one line', async (t) => {
  const folder = t.testdir({ 'bad.yml': 'a: [\n', 'big.yml': `# ${'x'.repeat(1024 * 1024)}\n` })
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const table: Readonly<Record<string, RegExp>> = {
    'gone.yml': /^cannot use ORB8_WEB_CONFIG_FILE: "[^"]+" cannot be read: ENOENT \(a web configuration file/,
    'bad.yml': /".*bad\.yml" is not valid YAML at line \d/,
    'big.yml': /it is larger than 1 MiB/,
    pipe: /it is no regular file/,
    '.': /it is no regular file/,
  }
  for (const [name, message] of Object.entries(table)) {
    const error = await openWebFile(join(folder, name)).catch((error: unknown) => error)
    t.ok(error instanceof ConfigError, name)
    t.match(error, { message, exitCode: 2 })
  }
})
