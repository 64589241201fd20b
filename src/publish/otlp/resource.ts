// Whose numbers these are, as an OpenTelemetry resource. What is set by hand wins over what is found.
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { Start } from './messages.ts'

const SERVICE = 'orb8'

export function resourceOf({ settings, version, hostName }: Pick<Start, 'settings' | 'version' | 'hostName'>): Resource {
  const { nodeName, serviceName, resourceAttributes } = settings
  const found = {
    'service.name': SERVICE,
    'service.version': version,
    // Without it the nodes of a cluster look like one to a reader that only knows job and instance.
    'service.instance.id': nodeName,
    'k8s.node.name': nodeName,
    'host.name': hostName,
  }
  const given = { ...Object.fromEntries(resourceAttributes), ...(serviceName === '' ? {} : { 'service.name': serviceName }) }
  return defaultResource().merge(resourceFromAttributes({ ...found, ...given }))
}
