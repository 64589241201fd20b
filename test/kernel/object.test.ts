import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { KernelError } from '../../src/errors.ts'
import { Links } from '../../src/kernel/attach.ts'
import { lastWords, loadObject, SOCKET_OBJECT, tryPrograms } from '../../src/kernel/object.ts'
import { probePrograms } from '../../src/kernel/probe.ts'
import { compileBpf } from '../harness/compile.ts'

const PROGRAMS = 16
const NOTHING_SET = { entries: {}, values: {} }

const compile = (name: string, directory: string): string => compileBpf(fileURLToPath(new URL(name, import.meta.url)), directory)

t.test('every program of the socket datapath loads on this kernel', async (t) => {
  using object = loadObject(SOCKET_OBJECT, NOTHING_SET)
  t.same(object.refused, [])
  t.equal(object.programs().size, PROGRAMS)
})

t.test('a program that the kernel refuses is left out with the verifier words, and the rest loads', async (t) => {
  const path = compile('broken.bpf.c', t.testdir())
  using object = loadObject(path, NOTHING_SET)
  t.same(
    object.refused.map(({ program }) => program),
    ['orb8_broken'],
  )
  t.match(object.refused[0]?.reason, /^EACCES: .*packet/)
  t.not(object.refused[0]?.remedy, '')
  t.equal(object.programs().size, PROGRAMS)
  t.notOk(object.programs().has('orb8_broken'))
})

t.test('where nothing loads the error says why', async (t) => {
  const path = compile('hopeless.bpf.c', t.testdir())
  t.throws(() => loadObject(path, NOTHING_SET), { name: 'KernelError', message: /^cannot load any kernel program: EACCES: .*packet/ })
})

t.test('an object file that is not there is told by its path', async (t) => {
  t.throws(() => loadObject('/nowhere/x.bpf.o', NOTHING_SET), { name: 'KernelError', message: /^cannot open \/nowhere\/x\.bpf\.o: ENOENT/ })
})

t.test('a trial load names each program and leaves nothing behind', async (t) => {
  const before = loadedPrograms()
  t.same([...tryPrograms().values()], Array(PROGRAMS).fill(undefined))
  t.same(
    (await probePrograms()).map(({ ok }) => ok),
    Array(PROGRAMS).fill(true),
  )
  t.same(loadedPrograms(), before)
})

t.test('the last words of a verifier log are the line before its counts', async (t) => {
  t.equal(
    lastWords('0: R1=ctx()\n; return x\n1: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access\nprocessed 2 insns (limit 1000000)\n'),
    'R1 invalid mem access',
  )
  t.equal(lastWords(''), '')
})

t.test('links are let go last first, and by name', async (t) => {
  using object = loadObject(SOCKET_OBJECT, NOTHING_SET)
  const links = new Links()
  for (const [name, program] of object.programs()) if (/^orb8_(tcp_state|find_listeners)$/.test(name)) links.attach(name, program)
  t.ok(links.has('orb8_tcp_state'))
  t.type(links.iterator('orb8_tcp_state'), 'number')
  links.detach('orb8_tcp_state')
  t.notOk(links.has('orb8_tcp_state'))
  t.throws(() => links.iterator('orb8_tcp_state'), KernelError)
  t.ok(links.has('orb8_find_listeners'))
  links[Symbol.dispose]()
  t.notOk(links.has('orb8_find_listeners'))
})

function loadedPrograms(): readonly string[] {
  const programs = JSON.parse(execFileSync('/usr/sbin/bpftool', ['prog', 'list', '-j'], { encoding: 'utf8' })) as { name?: string }[]
  return programs.map(({ name }) => name ?? '').filter((name) => name.startsWith('orb8'))
}
