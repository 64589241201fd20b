// Pods, Services and Nodes as an API server sends them: whole, with managedFields, conditions and volumes. Knows their form only.
// Every maker fills in what its options leave out, so that a test says no more than what it is about:
//   pod({ name: 'web-7d4b9c6f5d-x2x9p', namespace: 'shop', node: 'a', ip: '10.1.0.7', owner: { kind: 'ReplicaSet', name: 'web-7d4b9c6f5d' } })
// A pod of these is some 5 kB of JSON, as a small one of a real cluster is. What is made is fresh each time and may be changed by the test.
import { createHash } from 'node:crypto'

export interface Metadata {
  name: string
  namespace?: string
  uid: string
  resourceVersion: string
  creationTimestamp: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  managedFields?: unknown[]
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** What every object of the API server has; the rest is as Kubernetes' API defines it. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  spec: Record<string, unknown>
  status: Record<string, unknown>
}

export interface ContainerOptions {
  readonly name: string
  /** 64 hexadecimal digits; made from the pod's UID and the name where left out. Empty: not started yet. */
  readonly id?: string
  /** `containerd`, `cri-o` or `docker`. */
  readonly runtime?: string
  readonly image?: string
  readonly ports?: readonly { readonly port: number; readonly protocol?: string }[]
}

export interface PodOptions {
  readonly name: string
  readonly namespace?: string
  /** Made from namespace and name where left out: the same each time. */
  readonly uid?: string
  /** Empty: not scheduled. */
  readonly node?: string
  readonly hostIp?: string
  /** The pod's own address; left out: none yet. With `hostNetwork` it is the node's. */
  readonly ip?: string
  /** Of a dual-stack pod, all of them with `ip` first. */
  readonly ips?: readonly string[]
  readonly hostNetwork?: boolean
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed'
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** The controller. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly apiVersion?: string; readonly uid?: string }
  readonly containers?: readonly ContainerOptions[]
  readonly initContainers?: readonly ContainerOptions[]
  readonly ephemeralContainers?: readonly ContainerOptions[]
  /** A static pod: its source is a file on the node, its UID in the cgroup is this hash. */
  readonly configHash?: string
  readonly createdAt?: string
  readonly startedAt?: string
  readonly deletedAt?: string
}

const CREATED = '2026-11-20T10:00:00Z'

/** A UID in Kubernetes' form, the same for the same words. */
export function uidOf(...words: readonly string[]): string {
  const hex = hexOf(...words)
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}

function hexOf(...words: readonly string[]): string {
  return createHash('sha256').update(words.join('\0')).digest('hex')
}

export function pod(options: PodOptions): KubernetesObject {
  const { name, namespace = 'default', node = 'node-a', hostNetwork = false } = options
  const uid = options.uid ?? uidOf(namespace, name)
  const createdAt = options.createdAt ?? CREATED
  const labels = { app: name.split('-')[0] ?? name, 'pod-template-hash': name.split('-').at(-2) ?? '', ...options.labels }
  const containers = options.containers ?? [{ name: 'app', ports: [{ port: 8080 }] }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion: '1',
      creationTimestamp: createdAt,
      ...(options.deletedAt !== undefined && { deletionTimestamp: options.deletedAt, deletionGracePeriodSeconds: 30 }),
      labels,
      annotations: {
        ...(options.configHash !== undefined && {
          'kubernetes.io/config.hash': options.configHash,
          'kubernetes.io/config.mirror': options.configHash,
          'kubernetes.io/config.seen': `${createdAt.slice(0, -1)}.123456789Z`,
          'kubernetes.io/config.source': 'file',
        }),
        'prometheus.io/port': '8080',
        'prometheus.io/scrape': 'true',
        ...options.annotations,
      },
      ...(options.owner !== undefined && { ownerReferences: [ownerReference(namespace, options.owner)] }),
      managedFields: managedFields(createdAt),
    },
    spec: {
      volumes: [projectedToken()],
      containers: containers.map(containerSpec),
      ...(options.initContainers && { initContainers: options.initContainers.map(containerSpec) }),
      ...(options.ephemeralContainers && { ephemeralContainers: options.ephemeralContainers.map(containerSpec) }),
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: hostNetwork ? 'ClusterFirstWithHostNet' : 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      ...(node !== '' && { nodeName: node }),
      ...(hostNetwork && { hostNetwork: true }),
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: ['not-ready', 'unreachable'].map((condition) => ({
        key: `node.kubernetes.io/${condition}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: podStatus(options, uid, containers, createdAt),
  }
}

function podStatus(options: PodOptions, uid: string, containers: readonly ContainerOptions[], createdAt: string): Record<string, unknown> {
  const { hostIp = '192.168.0.10', hostNetwork = false, phase = 'Running' } = options
  const ips = options.ips ?? (hostNetwork ? [hostIp] : options.ip === undefined ? [] : [options.ip])
  const startedAt = options.startedAt ?? createdAt
  const statuses = (of: readonly ContainerOptions[]) => of.map((container) => containerStatus(container, uid, startedAt))
  return {
    phase,
    conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
      type,
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: startedAt,
    })),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(ips.length > 0 && { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: startedAt,
    containerStatuses: statuses(containers),
    ...(options.initContainers && { initContainerStatuses: statuses(options.initContainers) }),
    ...(options.ephemeralContainers && { ephemeralContainerStatuses: statuses(options.ephemeralContainers) }),
    qosClass: 'Burstable',
  }
}

function ownerReference(namespace: string, { kind, name, apiVersion, uid }: NonNullable<PodOptions['owner']>): OwnerReference {
  return {
    apiVersion: apiVersion ?? (kind === 'Job' ? 'batch/v1' : kind === 'Node' ? 'v1' : 'apps/v1'),
    kind,
    name,
    uid: uid ?? uidOf(namespace, kind, name),
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** The id under which a container's cgroup is found: as given, or made from pod and name. */
export function containerIdOf(uid: string, { name, id }: ContainerOptions): string {
  return id ?? hexOf(uid, name)
}

function containerSpec({ name, image = `registry.example/shop/${name}:1.2.3`, ports = [] }: ContainerOptions): Record<string, unknown> {
  const probe = { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1 }
  return {
    name,
    image,
    args: ['--listen=:8080', '--log-level=info'],
    ports: ports.map(({ port, protocol = 'TCP' }) => ({ name: `port-${port}`, containerPort: port, protocol })),
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'database', key: 'url' } } },
    ],
    resources: { limits: { memory: '256Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
    volumeMounts: [{ name: 'kube-api-access-abcde', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
    livenessProbe: { ...probe, failureThreshold: 3 },
    readinessProbe: { ...probe, failureThreshold: 3 },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    securityContext: { capabilities: { drop: ['ALL'] }, runAsNonRoot: true, allowPrivilegeEscalation: false },
  }
}

function containerStatus(container: ContainerOptions, uid: string, startedAt: string): Record<string, unknown> {
  const { name, runtime = 'containerd', image = `registry.example/shop/${name}:1.2.3` } = container
  const id = containerIdOf(uid, container)
  const started = id !== ''
  return {
    name,
    state: started ? { running: { startedAt } } : { waiting: { reason: 'ContainerCreating' } },
    lastState: {},
    ready: started,
    restartCount: 0,
    image,
    imageID: started ? `registry.example/shop/${name}@sha256:${hexOf(image)}` : '',
    ...(started && { containerID: `${runtime}://${id}` }),
    started,
  }
}

function projectedToken(): Record<string, unknown> {
  const sources = [
    { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
  ]
  return { name: 'kube-api-access-abcde', projected: { sources, defaultMode: 420 } }
}

/** Who set which field: a third of a pod's size. */
function managedFields(time: string): unknown[] {
  const entry = (manager: string, fieldsV1: unknown, subresource?: string) => ({
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    time,
    fieldsType: 'FieldsV1',
    fieldsV1,
    ...(subresource !== undefined && { subresource }),
  })
  const condition = { '.': {}, 'f:lastProbeTime': {}, 'f:lastTransitionTime': {}, 'f:status': {}, 'f:type': {} }
  const container = Object.fromEntries(
    ['.', 'f:args', 'f:env', 'f:image', 'f:imagePullPolicy', 'f:livenessProbe', 'f:name', 'f:ports', 'f:readinessProbe', 'f:resources'].map(
      (field) => [field, {}],
    ),
  )
  return [
    entry('kube-controller-manager', {
      'f:metadata': {
        'f:annotations': { '.': {}, 'f:prometheus.io/port': {} },
        'f:labels': { '.': {}, 'f:app': {} },
        'f:ownerReferences': {},
      },
      'f:spec': { 'f:containers': { 'k:{"name":"app"}': container }, 'f:dnsPolicy': {}, 'f:restartPolicy': {}, 'f:schedulerName': {} },
    }),
    entry(
      'kubelet',
      {
        'f:status': {
          'f:conditions': Object.fromEntries(
            ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'].map((type) => [`k:{"type":"${type}"}`, condition]),
          ),
          'f:containerStatuses': {},
          'f:hostIP': {},
          'f:hostIPs': {},
          'f:phase': {},
          'f:podIP': {},
          'f:podIPs': { '.': {}, 'k:{"ip":"10.1.0.7"}': { '.': {}, 'f:ip': {} } },
          'f:startTime': {},
        },
      },
      'status',
    ),
  ]
}

export interface ServiceOptions {
  readonly name: string
  readonly namespace?: string
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** `None` for a headless one. */
  readonly clusterIp?: string
  readonly clusterIps?: readonly string[]
  readonly externalIps?: readonly string[]
  /** What the load balancer was given. */
  readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[]
  readonly ports?: readonly {
    readonly port: number
    readonly nodePort?: number
    readonly protocol?: string
    readonly targetPort?: number
  }[]
  readonly selector?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
}

export function service(options: ServiceOptions): KubernetesObject {
  const { name, namespace = 'default', type = 'ClusterIP', clusterIp = '10.96.0.10', ports = [{ port: 80, targetPort: 8080 }] } = options
  const clusterIps = options.clusterIps ?? (type === 'ExternalName' ? [] : [clusterIp])
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      uid: uidOf(namespace, 'Service', name),
      resourceVersion: '1',
      creationTimestamp: CREATED,
      labels: { app: name, ...options.labels },
      managedFields: [
        {
          manager: 'kubectl',
          operation: 'Apply',
          apiVersion: 'v1',
          time: CREATED,
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:spec': { 'f:ports': {} } },
        },
      ],
    },
    spec: {
      ports: ports.map(({ port, targetPort = port, protocol = 'TCP', nodePort }) => ({
        name: `port-${port}`,
        protocol,
        port,
        targetPort,
        ...(nodePort !== undefined && { nodePort }),
      })),
      selector: options.selector ?? { app: name },
      ...(clusterIps.length > 0 && { clusterIP: clusterIps[0], clusterIPs: clusterIps }),
      ...(options.externalIps && { externalIPs: options.externalIps }),
      type,
      sessionAffinity: 'None',
      ipFamilies: clusterIps.some((ip) => ip.includes(':')) ? ['IPv4', 'IPv6'] : ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
    },
    status: { loadBalancer: options.ingress === undefined ? {} : { ingress: options.ingress } },
  }
}

export interface NodeOptions {
  readonly name: string
  readonly addresses?: readonly { readonly type: 'InternalIP' | 'ExternalIP' | 'Hostname'; readonly address: string }[]
  /** `topology.kubernetes.io/zone`; left out: the label is absent. */
  readonly zone?: string
  readonly podCidrs?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
}

export function node({ name, zone, podCidrs = ['10.1.0.0/24'], labels, addresses }: NodeOptions): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: uidOf('Node', name),
      resourceVersion: '1',
      creationTimestamp: CREATED,
      labels: {
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...(zone !== undefined && { 'topology.kubernetes.io/region': zone.slice(0, -1), 'topology.kubernetes.io/zone': zone }),
        ...labels,
      },
      annotations: { 'node.alpha.kubernetes.io/ttl': '0', 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
      managedFields: [
        {
          manager: 'kubelet',
          operation: 'Update',
          apiVersion: 'v1',
          time: CREATED,
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:status': { 'f:images': {} } },
        },
      ],
    },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs, providerID: `example://${name}` },
    status: {
      capacity: { cpu: '8', memory: '32883360Ki', pods: '110' },
      allocatable: { cpu: '7910m', memory: '31482528Ki', pods: '110' },
      conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
        type,
        status: type === 'Ready' ? 'True' : 'False',
        lastHeartbeatTime: CREATED,
        lastTransitionTime: CREATED,
        reason: 'KubeletStatus',
        message: 'as the kubelet says',
      })),
      addresses: addresses ?? [
        { type: 'InternalIP', address: '192.168.0.10' },
        { type: 'Hostname', address: name },
      ],
      nodeInfo: {
        kubeletVersion: 'v1.35.0',
        kernelVersion: '6.12.0',
        containerRuntimeVersion: 'containerd://2.2.0',
        operatingSystem: 'linux',
      },
      // Fifty are the kubelet's default, and most of a node's size.
      images: Array.from({ length: 50 }, (_, index) => ({
        names: [`registry.example/image-${index}@sha256:${hexOf('image', String(index))}`, `registry.example/image-${index}:1.0.${index}`],
        sizeBytes: 10_000_000 + index,
      })),
    },
  }
}

export interface SliceOptions {
  readonly node: string
  /** Attributes by device: strings and numbers. */
  readonly devices: Readonly<Record<string, Readonly<Record<string, string | number>>>>
  readonly driver?: string
  readonly pool?: string
  readonly generation?: number
}

/** As a driver of resource claims offers its devices. */
export function resourceSlice({ node, devices, driver = 'gpu.nvidia.com', pool = node, generation = 1 }: SliceOptions): KubernetesObject {
  const name = `${node}-${driver}-${pool}-${generation}`
  const typed = (value: string | number): object => (typeof value === 'number' ? { int: value } : { string: value })
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name, uid: uidOf('ResourceSlice', name), resourceVersion: '1', creationTimestamp: CREATED },
    spec: {
      driver,
      nodeName: node,
      pool: { name: pool, generation, resourceSliceCount: 1 },
      devices: Object.entries(devices).map(([device, attributes]) => ({
        name: device,
        attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, typed(value)])),
        capacity: { memory: { value: '80Gi' } },
      })),
    },
    status: {},
  }
}
