// npm start: what stands between npm and the exporter is gone once it runs.
import t from 'tap'
import { Child, until } from '../harness/child.ts'
import { Undo } from '../harness/undo.ts'

t.test('a SIGTERM to npm start ends the exporter itself', async (t) => {
  const undo = new Undo()
  t.teardown(() => undo.all())
  const npm = new Child(undo, 'npm', ['start', '--', '--listen', '127.0.0.1:0'])
  const said = (message: string): boolean => npm.stderr.some((line) => line.includes(`"msg":"${message}"`))
  await until('the exporter to listen', () => said('listening'))
  npm.kill('SIGTERM')
  await npm.end()
  t.ok(said('ending'), 'it ended by itself, and its pipes are closed')
})
