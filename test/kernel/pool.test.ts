import { join } from 'node:path'
import t from 'tap'
import { Child } from '../harness/child.ts'
import { Undo } from '../harness/undo.ts'

const KERNEL = join(import.meta.dirname, '..', '..', 'src', 'kernel')

/** Lets six calls hang, then reads a file; prints how wide the pool is. */
async function printed(t: { equal(found: unknown, wanted: unknown, message: string): void }, size: string | undefined): Promise<string> {
  const undo = new Undo()
  const script = `
    import koffi from 'koffi'
    import { readFile } from 'node:fs/promises'
    import { leaveAtOnce } from ${JSON.stringify(join(KERNEL, 'leave.ts'))}
    import { widenPool } from ${JSON.stringify(join(KERNEL, 'pool.ts'))}
    const threads = widenPool(8)
    const sleep = koffi.load(null).func('unsigned int sleep(unsigned int)')
    for (let i = 0; i < Math.min(threads - 1, 6); i++) sleep.async(3600, () => undefined)
    await readFile('/proc/self/stat')
    console.log(threads)
    setTimeout(() => leaveAtOnce(0), 50)`
  const env = { ...process.env }
  delete env.UV_THREADPOOL_SIZE
  const child = new Child(undo, process.execPath, ['--input-type=module', '--eval', script], {
    ...env,
    ...(size !== undefined && { UV_THREADPOOL_SIZE: size }),
  })
  try {
    const line = await child.line()
    t.equal((await child.end()).code, 0, child.stderr.join('\n'))
    return line
  } finally {
    await undo.all()
  }
}

t.test('with six calls that hang a file is read all the same', async (t) => {
  t.equal(await printed(t, undefined), '8')
})

t.test('who set the size of the pool has it as it was set', async (t) => {
  t.equal(await printed(t, '3'), '3')
})
