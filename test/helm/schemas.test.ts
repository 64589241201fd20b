import { basename } from 'node:path'
import t from 'tap'
import { template } from '../../scripts/chart/render.ts'
import { findings, VERSIONS } from './kubernetes-schemas.ts'
import { isOperators, operatorFindings } from './operator-schemas.ts'
import { CI_FILES, type Manifest, NO_HELM, ofKind, renderFile, renderOnce } from './rendering.ts'

t.test('every manifest of every values file is one that Kubernetes takes, from 1.28 to the newest', { skip: NO_HELM }, async (t) => {
  t.equal(VERSIONS[0], '1.28')
  t.ok(VERSIONS.length >= 10, `up to ${VERSIONS.at(-1)}`)
  for (const file of CI_FILES) {
    const manifests = renderOnce(file).filter((manifest) => !isOperators(manifest))
    t.not(manifests.length, 0)
    for (const version of VERSIONS)
      t.same(
        manifests.flatMap((manifest) => findings(manifest, version)),
        [],
        `${basename(file)} on ${version}: ${manifests.length} manifests`,
      )
  }
})

t.test('clusters from 1.28 on are taken, older ones are not', { skip: NO_HELM }, (t) => {
  for (const kubeVersion of ['1.28.0', '1.28.15-gke.2000', '1.31.4+k3s1', `${VERSIONS.at(-1)}.0`])
    t.ok(template({ kubeVersion }), kubeVersion)
  t.throws(() => template({ kubeVersion: '1.27.16' }), /kubeVersion/)
  t.end()
})

t.test('every monitor and rule is one that the operator takes', { skip: NO_HELM }, async (t) => {
  const manifests = CI_FILES.flatMap((file) => renderOnce(file).filter(isOperators))
  t.same(new Set(manifests.map(({ kind }) => kind)), new Set(['ServiceMonitor', 'PodMonitor', 'PrometheusRule']))
  t.same(await operatorFindings(manifests), [])
})

t.test('the schemas refuse what a version does not know', { skip: NO_HELM }, async (t) => {
  const change = (edit: (daemonSet: Manifest) => void): Manifest => {
    const daemonSet = structuredClone(ofKind(renderFile('default'), 'DaemonSet'))
    edit(daemonSet)
    return daemonSet
  }
  const misspelt = change(({ spec }) => {
    spec.template.spec.containers[0].redinessProbe = {}
  })
  const wrongType = change(({ spec }) => {
    spec.template.spec.containers[0].ports[0].containerPort = 'http'
  })
  const young = change(({ spec }) => {
    spec.template.spec.securityContext.appArmorProfile = { type: 'RuntimeDefault' }
  })
  t.match(findings(misspelt, '1.28').join(), /redinessProbe/)
  t.match(findings(wrongType, '1.37').join(), /containerPort must be integer/)
  t.match(findings(young, '1.29').join(), /appArmorProfile/)
  t.same(findings(young, '1.30'), [])
  t.match(findings({ ...young, kind: 'Gadget' }, '1.30').join(), /no schema/)
})

t.test('so do those of the operator', { skip: NO_HELM }, async (t) => {
  const monitor = structuredClone(ofKind(renderFile('operator'), 'ServiceMonitor'))
  monitor.spec.endpoints[0].honourLabels = true
  monitor.spec.endpoints[0].interval = 'soon'
  const found = (await operatorFindings([monitor])).join('\n')
  t.match(found, /honourLabels/)
  t.match(found, /interval/)
  t.match((await operatorFindings([{ ...monitor, kind: 'Gadget' }])).join(), /no schema/)
})
