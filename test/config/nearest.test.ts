import t from 'tap'
import { didYouMean, nearest } from '../../src/config/nearest.ts'

const NAMES = ['--listen', '--log-level', '--flow-labels', '--series-limit', '--series-idle']

t.test('a swapped, missing, extra or wrong letter finds the name', async (t) => {
  for (const typo of ['--lisetn', '--lisen', '--listenn', '--lissen', '--LISTEN', '-listen'])
    t.equal(nearest(typo, NAMES), '--listen', typo)
})

t.test('the nearer of two names is taken', async (t) => {
  t.equal(nearest('--series-imit', NAMES), '--series-limit')
  t.equal(nearest('--series-ide', NAMES), '--series-idle')
})

t.test('what resembles nothing gets no suggestion', async (t) => {
  t.equal(nearest('--kubeconfig', NAMES), undefined)
  t.equal(nearest('x', NAMES), undefined)
  t.equal(nearest('--listen'.padEnd(200, 'x'), NAMES), undefined)
  t.equal(didYouMean('x', NAMES), '')
  t.equal(didYouMean('--lisen', NAMES), 'did you mean --listen? ')
})
