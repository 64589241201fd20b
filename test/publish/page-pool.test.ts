import t from 'tap'
import { PagePool } from '../../src/publish/page-pool.ts'
import { PAGE_BYTES } from '../../src/publish/text.ts'

t.test('a page that was given back is taken again, whole, also by the part that was filled', async (t) => {
  const pool = new PagePool()
  const page = pool.take(PAGE_BYTES)
  t.equal(page.length, PAGE_BYTES)
  pool.give(page.subarray(0, 10))
  const again = pool.take(PAGE_BYTES)
  t.equal(again.buffer, page.buffer)
  t.equal(again.length, PAGE_BYTES)
  t.not(pool.take(PAGE_BYTES).buffer, page.buffer)
})

t.test('other buffers are not kept, and no more than eight pages', async (t) => {
  const pool = new PagePool()
  pool.give(Buffer.alloc(100))
  pool.give(pool.take(PAGE_BYTES + 1))
  t.equal(pool.take(PAGE_BYTES + 1).length, PAGE_BYTES + 1)
  const pages = Array.from({ length: 20 }, () => pool.take(PAGE_BYTES))
  for (const page of pages) pool.give(page)
  const buffers = new Set(pages.map((page) => page.buffer))
  const known = Array.from({ length: 20 }, () => buffers.has(pool.take(PAGE_BYTES).buffer)).filter(Boolean)
  t.equal(known.length, 8)
})
