import { join } from 'node:path'
import t from 'tap'
import { Child } from '../harness/child.ts'
import { Undo } from '../harness/undo.ts'

const LEAVE = join(import.meta.dirname, '..', '..', 'src', 'kernel', 'leave.ts')

t.test('a process with a thread that hangs ends at once, with its exit code', async (t) => {
  const undo = new Undo()
  const script = `
    import koffi from 'koffi'
    import { leaveAtOnce } from ${JSON.stringify(LEAVE)}
    koffi.load(null).func('unsigned int sleep(unsigned int)').async(3600, () => undefined)
    setTimeout(() => leaveAtOnce(3), 50)`
  const child = new Child(undo, process.execPath, ['--input-type=module', '--eval', script])
  t.same(await child.end(), { code: 3, signal: null }, child.stderr.join('\n'))
  await undo.all()
})
