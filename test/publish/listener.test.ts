import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listen } from '../../src/publish/listener.ts'
import { until } from './serving.ts'

/** Short: a socket's path has room for 107 bytes. */
function folderFor(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

/** One whose visitors do not keep it open. */
const greeter = (): Server =>
  createServer((socket) =>
    socket
      .on('error', () => undefined)
      .end('hello')
      .resume(),
  )

t.test('addresses are told as they would be written', async (t) => {
  for (const [host, form] of [
    ['127.0.0.1', /^127\.0\.0\.1:\d+$/],
    ['::1', /^\[::1\]:\d+$/],
    ['', /^\[::\]:\d+$/],
  ] as const) {
    const server = createServer()
    t.match(await listen(server, { host, port: 0 }), form)
    await close(server)
  }
})

t.test('a unix socket is its owner’s and group’s from the first moment, and gone at the end', async (t) => {
  const path = join(folderFor(t), 'http.sock')
  const before = process.umask()
  const server = greeter()
  t.equal(await listen(server, { path }), `unix:${path}`)
  t.equal(process.umask(), before)
  t.equal((statSync(path).mode & 0o777).toString(8), '660')
  const [data] = await once(connect({ path }), 'data')
  t.equal(String(data), 'hello')
  await close(server)
  t.notOk(existsSync(path))
})

t.test('the group may come from the folder', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async (t) => {
  const folder = join(folderFor(t), 'run')
  mkdirSync(folder)
  chownSync(folder, 0, 4242)
  chmodSync(folder, 0o2750)
  const server = createServer()
  await listen(server, { path: join(folder, 'http.sock') })
  t.equal(statSync(join(folder, 'http.sock')).gid, 4242)
  await close(server)
})

t.test('a socket that nobody listens on any more is taken over, one in use is not', async (t) => {
  const path = join(folderFor(t), 'http.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  t.ok(existsSync(path), 'left behind')
  const server = greeter()
  await listen(server, { path })
  const second = createServer()
  await t.rejects(listen(second, { path }), {
    message: /^cannot listen on unix:.*: EADDRINUSE \(another process listens there/,
    exitCode: 1,
  })
  t.ok(existsSync(path))
  const visitor = connect({ path })
  await once(visitor, 'connect')
  visitor.destroy()
  await close(server)
})

t.test('a socket whose owner is too busy to answer is in use', async (t) => {
  const path = join(folderFor(t), 'http.sock')
  const script = `require('net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => process.kill(process.pid, 'SIGSTOP'))`
  const owner = spawn(process.execPath, ['-e', script])
  t.teardown(() => owner.kill('SIGKILL'))
  await until(() => existsSync(path))
  const visitors = Array.from({ length: 5 }, () => connect({ path }).on('error', () => undefined))
  t.teardown(() => {
    for (const visitor of visitors) visitor.destroy()
  })
  await t.rejects(listen(createServer(), { path }), { message: /EADDRINUSE/ })
  t.ok(existsSync(path))
})

t.test('what is no socket stays', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 'file')
  writeFileSync(path, 'precious')
  await t.rejects(listen(createServer(), { path }), {
    message: /^cannot listen on unix:.*: EEXIST \(something that is no socket stands there/,
  })
  t.equal(statSync(path).size, 8)
  await t.rejects(listen(createServer(), { path: join(folder, 'none', 'http.sock') }), { message: /: ENOENT \(its folder does not exist/ })
})
