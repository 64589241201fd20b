// A Kubernetes node of the tests' own: pods made of network namespaces and of cgroups as runtimes lay them out, and an API server that
// tells of them. Traffic stays on a bridge in a namespace. Knows layouts and wiring; nothing of what is measured.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiServer, type ApiServerOptions } from './api-server.ts'
import type { Issued } from './authority.ts'
import { CGROUP_ROOT, type Cgroup } from './cgroups.ts'
import { run } from './child.ts'
import type { ExporterOptions } from './exporter.ts'
import { containerIdOf, type KubernetesObject, node as nodeObject, type PodOptions, pod as podObject } from './kubernetes-objects.ts'
import { type Namespace, wire } from './namespaces.ts'
import type { Site } from './site.ts'
import type { Agent } from './traffic.ts'

/** Driver and runtime. */
export type Layout = 'systemd containerd' | 'systemd cri-o' | 'systemd docker' | 'cgroupfs containerd' | 'cgroupfs cri-o'

export const NODE = 'node-a'
/** Of the bridge: the node's own, as its Node object says. */
export const NODE_ADDRESS = '10.250.0.1'
/** Everybody reaches everybody without a route. */
const BITS = 8

/** Without ports: others on this machine who dial many would fill the limit of series. */
const LABELS = [
  ...['namespace', 'pod', 'container', 'workload', 'workload_kind', 'role'],
  ...['peer_kind', 'peer_namespace', 'peer_workload', 'peer_zone', 'direction'],
]
const SETTINGS = { NODE_NAME: NODE, ORB8_FLOW_LABELS: LABELS.join() }

export interface PlacedPod {
  readonly object: KubernetesObject
  readonly namespace: Namespace
  /** The pod's own directory. */
  readonly cgroup: Cgroup
  /** A container's; the sandbox's with the id of nobody. */
  container(id: string): Cgroup
}

export class KubeNode {
  readonly api: ApiServer
  /** The node's own network, with a bridge to its pods and to those elsewhere. */
  readonly network: Namespace
  readonly #site: Site
  readonly #directories = new Map<string, Cgroup>()
  readonly #folder: string
  #wires = 0

  private constructor(site: Site, api: ApiServer, folder: string) {
    this.#site = site
    this.api = api
    this.#folder = folder
    this.network = site.namespace('node')
    run('ip', '-n', this.network.name, 'link', 'add', 'br0', 'type', 'bridge')
    this.network.address(`${NODE_ADDRESS}/${BITS}`, 'br0')
    run('ip', '-n', this.network.name, 'link', 'set', 'br0', 'up')
  }

  /** With a Node object of its own. */
  static async make(site: Site, options: ApiServerOptions = {}): Promise<KubeNode> {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-kube-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    site.undo.add({ gently: remove, atOnce: remove })
    const api = await ApiServer.start(site.undo, options)
    const node = new KubeNode(site, api, folder)
    const addresses = [{ type: 'InternalIP', address: NODE_ADDRESS }] as const
    api.put(nodeObject({ name: NODE, zone: 'eu-1a', podCidrs: ['10.244.1.0/24'], addresses }))
    return node
  }

  /** What makes an exporter this node's. */
  options({ args = [], env = {}, ...more }: ExporterOptions = {}): ExporterOptions {
    const kubeconfig = join(this.#folder, 'kubeconfig')
    const clusters = [{ name: 'c', cluster: { server: this.api.url } }]
    const contexts = [{ name: 'x', context: { cluster: 'c', user: '' } }]
    writeFileSync(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters, contexts, 'current-context': 'x' }))
    return { args, env: { ...SETTINGS, KUBECONFIG: kubeconfig, ...env }, ...more }
  }

  /** The same for an exporter that is a pod of the cluster: by a service account, whose token is written anew with each call. */
  podOptions(ca: Pick<Issued, 'cert'>, token: string, { args = [], env = {} }: ExporterOptions = {}): ExporterOptions {
    const account = join(this.#folder, 'serviceaccount')
    mkdirSync(account, { recursive: true })
    writeFileSync(join(account, 'ca.crt'), ca.cert)
    writeFileSync(join(account, 'token'), token)
    const at = '/run/secrets/kubernetes.io/serviceaccount'
    const mounted = `mount -t tmpfs none /run && mkdir -p ${at} && mount --bind ${account} ${at} && exec "$0" "$@"`
    const server = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${this.api.port}` }
    return { args, env: { ...SETTINGS, ...server, ...env }, wrapper: ['unshare', '-m', 'sh', '-c', mounted] }
  }

  /** A namespace on the bridge. */
  attach(name: string, ...addresses: readonly string[]): Namespace {
    const namespace = this.#site.namespace(name)
    const device = `w${this.#wires++}`
    wire(this.network, namespace, [], [device, 'eth0'])
    run('ip', '-n', this.network.name, 'link', 'set', device, 'master', 'br0')
    for (const address of addresses) namespace.address(`${address}/${BITS}`, 'eth0')
    return namespace
  }

  /** Of this node: with directories and, unless it has the node's, a network. The API server is not told. */
  place(options: PodOptions, layout: Layout = 'systemd containerd', around?: Cgroup): PlacedPod {
    const object = podObject({ node: NODE, ...options })
    const ips = options.hostNetwork ? [] : (options.ips ?? (options.ip === undefined ? [] : [options.ip]))
    const namespace = options.hostNetwork ? this.network : this.attach('pod', ...ips)
    const cgroup = this.#directory(podPath(options.configHash ?? object.metadata.uid, layout), around)
    return { object, namespace, cgroup, container: (id) => this.#directory(containerPath(id, layout), cgroup) }
  }

  /** In the container of that name. */
  agent(pod: PlacedPod, name = 'app', id = containerIdOf(pod.object.metadata.uid, { name })): Agent {
    return this.#site.agent({ cgroup: pod.container(id), namespace: pod.namespace })
  }

  /** Both at once: placed, told, and an agent in its first container. */
  run(options: PodOptions, layout?: Layout): { readonly pod: PlacedPod; readonly agent: Agent } {
    const pod = this.place(options, layout)
    this.api.put(pod.object)
    const [first] = options.containers ?? []
    return { pod, agent: this.agent(pod, first?.name, first?.id) }
  }

  #directory(path: readonly string[], around?: Cgroup): Cgroup {
    let parent = around
    for (const name of path) {
      const key = `${parent?.directory ?? CGROUP_ROOT}/${name}`
      const known: Cgroup = this.#directories.get(key) ?? this.#site.cgroup(name, parent)
      this.#directories.set(key, known)
      parent = known
    }
    if (parent === undefined) throw new Error('no directory')
    return parent
  }
}

function podPath(uid: string, layout: Layout): readonly string[] {
  if (layout.startsWith('cgroupfs')) return ['kubepods', 'burstable', `pod${uid}`]
  return ['kubepods.slice', 'kubepods-burstable.slice', `kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice`]
}

function containerPath(id: string, layout: Layout): readonly string[] {
  switch (layout) {
    case 'systemd containerd':
      return [`cri-containerd-${id}.scope`]
    case 'systemd cri-o':
      return [`crio-${id}.scope`, 'container']
    case 'systemd docker':
      return [`docker-${id}.scope`]
    case 'cgroupfs containerd':
      return [id]
    case 'cgroupfs cri-o':
      return [`crio-${id}`]
    default:
      return layout satisfies never
  }
}
