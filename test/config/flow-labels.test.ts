import t from 'tap'
import { DEFAULT_FLOW_LABELS, FLOW_LABEL_NAMES, parseFlowLabels } from '../../src/config/flow-labels.ts'
import { FLOW_BYTES } from '../../src/metrics.ts'

t.test('all means every label of the flow metrics', async (t) => {
  t.strictSame(parseFlowLabels(['all']), FLOW_BYTES.labels)
})

t.test('the default leaves out pod and container and nothing else', async (t) => {
  t.strictSame([...DEFAULT_FLOW_LABELS, 'pod', 'container'].sort(), [...FLOW_BYTES.labels].sort())
})

t.test('a list is put in order, and each label counts once', async (t) => {
  t.strictSame(parseFlowLabels(['direction', 'workload', 'port', 'workload']), ['workload', 'port', 'direction'])
  t.strictSame(parseFlowLabels([...FLOW_LABEL_NAMES].reverse()), FLOW_LABEL_NAMES)
})

t.test('a label that does not exist is named, with the one that was meant', async (t) => {
  t.equal(parseFlowLabels(['workload', 'peer_zon']), 'names "peer_zon", which is no label of its own, did you mean peer_zone?')
  t.match(parseFlowLabels(['all', 'pod']), /names "all"/)
  t.match(parseFlowLabels(['']), /names ""/)
  t.equal(parseFlowLabels([]), 'names no label')
})
