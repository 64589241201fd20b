import { basename } from 'node:path'
import t from 'tap'
import { writeDenied } from './apparmor.ts'
import { CI_FILES, type Container, containerOf, NO_HELM, podOf, render, renderFile, renderOnce } from './rendering.ts'

const LOADS = ['BPF', 'PERFMON', 'NET_ADMIN']
const own = (container: Container): boolean => container.name !== 'dcgm-exporter'

t.test('whatever the values, nothing is privileged, and no capability comes by itself', { skip: NO_HELM }, (t) => {
  for (const file of CI_FILES) {
    const pod = podOf(renderOnce(file))
    const containers: readonly Container[] = [...(pod.initContainers ?? []), ...pod.containers]
    t.same(pod.securityContext.seccompProfile, { type: 'RuntimeDefault' }, basename(file))
    t.notOk(pod.hostIPC)
    for (const { name, securityContext, args } of containers.filter(own)) {
      t.match(securityContext, { privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true }, name)
      t.same(securityContext.capabilities.drop, ['ALL'])
      const added: readonly string[] = securityContext.capabilities.add ?? []
      const allowed = name === 'load' || (args?.[0] === 'export' && pod.initContainers === undefined) ? LOADS : ['BPF']
      t.ok(
        added.every((capability) => allowed.includes(capability)),
        `${name} adds ${added.join()}`,
      )
    }
  }
  t.end()
})

t.test('the exporter is not root, unless something asks for it', { skip: NO_HELM }, (t) => {
  const user = (values: object): unknown => {
    const { runAsUser, runAsGroup, runAsNonRoot } = containerOf(render(values), 'orb8').securityContext
    return [runAsUser, runAsGroup, runAsNonRoot]
  }
  t.same(user({}), [65534, 65534, true])
  t.same(user({ runAsUser: 1000, pins: { group: 4242 } }), [1000, 4242, true])
  t.same(user({ runAsRoot: true }), [0, 65534, false])
  t.same(user({ gpu: { podResources: { enabled: true } } }), [0, 65534, false])
  t.same(user({ gpu: { nvml: { enabled: true } } }), [0, 65534, false])
  t.same(user({ pins: { enabled: false } }), [0, 0, false])
  t.same(containerOf(render(), 'orb8').securityContext.capabilities.add, ['BPF'])
  t.end()
})

t.test('without pins one container loads and exports', { skip: NO_HELM }, (t) => {
  const pod = podOf(renderFile('no-pins'))
  t.notOk(pod.initContainers)
  t.same(pod.containers[0].securityContext.capabilities.add, LOADS)
  t.notOk(pod.volumes.some(({ name }: { name: string }) => name === 'bpf'))
  t.end()
})

t.test("the host's processes are seen for NVML only", { skip: NO_HELM }, (t) => {
  for (const file of CI_FILES) t.equal(podOf(renderOnce(file)).hostPID === true, basename(file) === 'gpu-values.yaml', basename(file))
  t.end()
})

t.test("of the host's directories only the pins' own can be written", { skip: NO_HELM }, (t) => {
  for (const file of CI_FILES) {
    const pod = podOf(renderOnce(file))
    const paths = new Map<string, string>(
      pod.volumes.flatMap(({ name, hostPath }: { name: string; hostPath?: { path: string } }) =>
        hostPath === undefined ? [] : [[name, hostPath.path]],
      ),
    )
    const containers: readonly Container[] = [...(pod.initContainers ?? []), ...pod.containers]
    const writable = containers.flatMap(({ volumeMounts = [] }) =>
      volumeMounts.filter(({ name, readOnly }) => paths.has(name) && readOnly !== true),
    )
    t.ok(
      writable.every(({ name }) => name === 'bpf'),
      basename(file),
    )
    t.notOk([...paths.values()].some((path) => ['/', '/sys', '/sys/fs', '/sys/fs/bpf', '/var', '/proc'].includes(path)))
    for (const { name } of writable) t.match(paths.get(name), /^\/sys\/fs\/bpf\/.+/, 'not the bpffs of others')
  }
  t.end()
})

t.test("AppArmor's default profile for containers lets the exporter write its pins", { skip: NO_HELM }, (t) => {
  for (const file of CI_FILES) {
    const pod = podOf(renderOnce(file))
    const containers: readonly Container[] = [...(pod.initContainers ?? []), ...pod.containers]
    for (const { volumeMounts = [] } of containers)
      for (const { mountPath } of volumeMounts)
        t.equal(writeDenied(`${mountPath}/map_flows_a`), undefined, `${basename(file)}: ${mountPath}`)
  }
  t.match(writeDenied('/sys/fs/bpf/orb8/map_flows_a'), /\[\^c\]/, 'which it would not at the place that bpffs has on the host')
  t.match(writeDenied('/sys/kernel/debug/x'), /\[\^f\]/)
  t.equal(writeDenied('/sys/fs/cgroup/orb8/cgroup.procs'), undefined)
  t.end()
})
