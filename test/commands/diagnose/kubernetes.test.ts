import t from 'tap'
import { runChecks } from '../../../src/commands/diagnose/check.ts'
import { kubernetesChecks } from '../../../src/commands/diagnose/kubernetes.ts'
import { loadConfig } from '../../../src/config.ts'

const look = async (...argv: readonly string[]) => {
  const { config } = await loadConfig({ argv: [...argv, '--pod-logs-dir=/nowhere'], env: {} })
  const findings = await runChecks(kubernetesChecks(config, {}))
  return new Map(findings.map(({ check, status }) => [check, status]))
}

t.test('what only nodes of a cluster have is missed only there', async (t) => {
  t.equal((await look('--kubernetes=off')).get('pod_logs'), 'ok')
  t.equal((await look()).get('pod_logs'), 'ok')
  const meant = await look('--kubeconfig=/nowhere')
  t.equal(meant.get('pod_logs'), 'warn')
  t.equal(meant.get('kubernetes'), 'fail')
  t.equal((await look('--kubeconfig=/nowhere', '--kubernetes=off')).get('pod_logs'), 'ok')
})
