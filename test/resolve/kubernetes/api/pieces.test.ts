import t from 'tap'
import { Pieces } from '../../../../src/resolve/kubernetes/api/pieces.ts'

t.test('the pieces of one text are put together, and the next begins anew', (t) => {
  const pieces = new Pieces(10)
  const bytes = Buffer.from('aé')
  pieces.add(bytes, 0, 2)
  t.equal(pieces.empty, false)
  t.equal(pieces.take(bytes, 2, 3), 'aé')
  t.equal(pieces.empty, true)
  t.equal(pieces.take(Buffer.from('next'), 0, 4), 'next')
  t.end()
})

t.test('beyond the bound there is no text, and the next one is whole again', (t) => {
  const pieces = new Pieces(4)
  pieces.add(Buffer.from('12345'), 0, 5)
  t.equal(pieces.take(Buffer.from('6'), 0, 1), undefined)
  t.equal(pieces.take(Buffer.from('12345'), 0, 5), undefined, 'also in one piece')
  t.equal(pieces.take(Buffer.from('1234'), 0, 4), '1234')
  t.end()
})
