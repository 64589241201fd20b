import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { assignments, type Instruction, parseDockerfile, substitute, words } from './dockerfile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const { global, stages } = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))
const image = stages.at(-1)
const texts = (word: string): readonly string[] => (image?.instructions ?? []).filter((each) => each.word === word).map(({ text }) => text)

t.test('instructions, flags and continued lines are told apart', (t) => {
  const parsed = parseDockerfile(
    '# c\nARG A=1\nFROM --platform=$P x:$A AS one\nRUN a \\\n  # not this\n  && b\nCOPY --from=zero /a /b\nFROM one\n',
  )
  t.same(
    parsed.global.map(({ text }: Instruction) => text),
    ['A=1'],
  )
  t.match(parsed.stages, [
    {
      name: 'one',
      from: 'x:$A',
      platform: '$P',
      instructions: [
        { word: 'RUN', text: 'a    && b', line: 4 },
        { word: 'COPY', text: '/a /b' },
      ],
    },
    { from: 'one', instructions: [] },
  ])
  t.equal(parsed.stages[0]?.instructions[1]?.flags.get('from'), 'zero')
  t.equal(substitute(`$A-${'$'}{B}-$C`, new Map(Object.entries({ A: '1', B: '2' }))), '1-2-')
  t.same(
    [...assignments('a.b="x y" c=1')],
    [
      ['a.b', 'x y'],
      ['c', '1'],
    ],
  )
  t.throws(() => parseDockerfile('FROM a\nRUN b \\\n'), /goes on/)
  t.end()
})

t.test('it is built for the target by stages that run on the builder', (t) => {
  const from = new Map(global.flatMap(({ text }) => [...assignments(text)]))
  t.same(
    stages.map((stage) => [stage.name, substitute(stage.from, from), stage.platform]),
    [
      ['objects', 'node:24-bookworm-slim', '$BUILDPLATFORM'],
      ['program', 'node:24-bookworm-slim', '$BUILDPLATFORM'],
      ['node', 'node:24-bookworm-slim', undefined],
      ['image', 'debian:bookworm-slim', undefined],
    ],
  )
  t.end()
})

t.test('it says what it is, as OCI asks', (t) => {
  const labels = assignments(texts('LABEL').join(' '))
  for (const name of ['title', 'description', 'licenses', 'version', 'revision', 'created', 'source', 'base.name'])
    t.ok(labels.get(`org.opencontainers.image.${name}`), name)
  t.equal(labels.get('org.opencontainers.image.licenses'), 'Apache-2.0')
  t.end()
})

t.test('it is nobody by default, and can be asked how it is', (t) => {
  t.same(texts('USER'), ['65534:65534'])
  t.same(texts('EXPOSE'), ['9091'])
  t.same(words(texts('ENTRYPOINT')[0] ?? ''), ['orb8'])
  t.same(words(texts('CMD')[0] ?? ''), ['export'])
  t.match(texts('HEALTHCHECK')[0], /CMD \["node", "\/app\/healthcheck\.js"\]$/)
  t.end()
})

t.test('what the stages copy, the build context has', (t) => {
  const kept = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))
  for (const { instructions } of stages)
    for (const { word, flags, text } of instructions) {
      if (word !== 'COPY' || flags.has('from')) continue
      for (const path of text.split(/\s+/).slice(0, -1)) {
        t.ok(kept.includes(path.split('/')[0] ?? ''), path)
        t.equal(globSync(path, { cwd: ROOT }).length, 1, `${path} is there`)
      }
    }
  t.end()
})
