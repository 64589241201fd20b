// Can names of pods be read from the directories of their logs, where the API server does not tell them?
import { type LoggedPod, listLinks, listPods } from '../../../resolve/kubernetes/log-directories.ts'
import type { Check, Finding } from '../check.ts'

const CHECK = 'pod_logs'

/** `directory` is Config.podLogsDir. `expected`: this is a node of a cluster. */
export function podLogs(directory: string, expected: boolean): Check {
  return {
    name: CHECK,
    run: async () => {
      const pods = await listPods(directory).catch((error: NodeJS.ErrnoException) => error)
      return [pods instanceof Error ? missing(directory, pods, expected) : await there(directory, pods)]
    },
  }
}

async function there(directory: string, pods: readonly LoggedPod[]): Promise<Finding> {
  const links = (await listLinks(directory)).size
  return { check: CHECK, status: 'ok', found: `${directory}, pods: ${pods.length}, containers: ${links}`, remedy: '' }
}

function missing(directory: string, { code, message }: NodeJS.ErrnoException, expected: boolean): Finding {
  const found = `${directory} cannot be read: ${code ?? message}`
  if (code === 'ENOENT' && !expected) return { check: CHECK, status: 'ok', found: `no ${directory}`, remedy: '' }
  const remedy = "only while the API server is away: mount the host's /var/log, or name the kubelet's podLogsDir with ORB8_POD_LOGS_DIR"
  return { check: CHECK, status: 'warn', found, remedy }
}
