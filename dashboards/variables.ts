// The variables of the dashboards, each asking for what the ones before it leave, and the selectors that use them. Knows labels, no panel.
import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const

interface Builder {
  build(): VariableModel
}

/** `All` is the regular expression `.*`, which also matches a label that is not there: hosts without Kubernetes have no namespace. */
function labelVariable(name: string, metric: string, label = name): Builder {
  const query = `label_values(${metric}, ${label})`
  return new QueryVariableBuilder(name)
    .label(name)
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] })
}

const TRAFFIC = 'orb8_container_network_bytes_total'

export const VARIABLES = {
  datasource: new DatasourceVariableBuilder('datasource').label('data source').type('prometheus') as Builder,
  cluster: labelVariable('cluster', 'orb8_build_info'),
  namespace: labelVariable('namespace', `${TRAFFIC}{cluster=~"$cluster"}`),
  workload: labelVariable('workload', `${TRAFFIC}{cluster=~"$cluster", namespace=~"$namespace"}`),
  pod: labelVariable('pod', `${TRAFFIC}{cluster=~"$cluster", namespace=~"$namespace", workload=~"$workload", pod!=""}`),
  instance: labelVariable('instance', 'orb8_build_info{cluster=~"$cluster"}'),
} as const
export type VariableName = keyof typeof VARIABLES

/** Inside braces: what the variables leave, then more matchers. */
const chosen =
  (...matchers: string[]) =>
  (...more: string[]): string =>
    [...matchers, ...more].join(', ')

export const inNamespace = chosen('cluster=~"$cluster"', 'namespace=~"$namespace"')
export const inWorkload = chosen('cluster=~"$cluster"', 'namespace=~"$namespace"', 'workload=~"$workload"')
/** Of metrics that always have the pod. */
export const inPod = chosen('cluster=~"$cluster"', 'namespace=~"$namespace"', 'workload=~"$workload"', 'pod=~"$pod"')
/** Of flow metrics: unless ORB8_FLOW_LABELS asks for it, their pod is empty, and they speak of the whole workload. */
export const inFlow = chosen('cluster=~"$cluster"', 'namespace=~"$namespace"', 'workload=~"$workload"', 'pod=~"$pod|"')
export const onInstance = chosen('cluster=~"$cluster"', 'instance=~"$instance"')

export const WINDOW = '$__rate_interval'
