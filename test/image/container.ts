// A container of a pod, by hand: the image's root read-only, the pod's mounts, user and capabilities, in a PID namespace of its own.
// Knows pods as the chart renders them; nothing of what runs inside.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../harness/child.ts'
import type { Undo } from '../harness/undo.ts'
import type { Container } from '../helm/rendering.ts'
import { quoted } from './bare-debian.ts'
import type { Image } from './stages.ts'

/** What the kubelet knows of the pod. */
export interface Pod {
  /** Directories of the host, by the names of volumes. */
  readonly volumes: Readonly<Record<string, string>>
  /** By the paths of fields. */
  readonly fields: Readonly<Record<string, string>>
}

export interface Options {
  /** Beside or in place of the container's own. */
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** In place of the image's entry point. */
  readonly command?: readonly string[]
}

export function startContainer(undo: Undo, image: Image, pod: Pod, container: Container, options: Options = {}): Child {
  const { root } = image
  const { securityContext, volumeMounts = [] } = container
  // A runtime makes the mount points before it makes the root read-only.
  for (const { mountPath } of volumeMounts) mkdirSync(join(root, mountPath), { recursive: true })
  for (const path of ['proc', 'sys']) mkdirSync(join(root, path), { recursive: true })
  const at = (path: string): string => quoted(join(root, path))
  const argv = [...(options.command ?? container.command ?? image.entrypoint), ...(options.args ?? container.args ?? image.command)]
  const env = new Map([...image.env, ...kubeletsEnv(container, pod), ...Object.entries(options.env ?? {})])
  const script = [
    'set -e',
    `mount --bind ${quoted(root)} ${quoted(root)}`,
    `mount -t proc -o nosuid,nodev,noexec proc ${at('proc')}`,
    `mount -t sysfs -o ro,nosuid,nodev,noexec sysfs ${at('sys')}`,
    ...volumeMounts.flatMap(({ name, mountPath, readOnly }) => [
      `mount --rbind ${quoted(pod.volumes[name] ?? '')} ${at(mountPath)}`,
      ...(readOnly ? [`mount -o remount,bind,ro ${at(mountPath)}`] : []),
    ]),
    ...(securityContext.readOnlyRootFilesystem ? [`mount -o remount,bind,ro ${quoted(root)}`] : []),
    `exec chroot ${quoted(root)} ${[...confined(securityContext), 'env', '-i', ...[...env].map((pair) => pair.join('=')), ...argv].map(quoted).join(' ')}`,
  ].join('\n')
  return new Child(undo, 'unshare', ['--mount', '--pid', '--fork', '--kill-child', 'bash', '-c', script])
}

/** The capabilities of `add` in the bounding set, and in force for uid 0 alone: as a runtime does it. */
function confined({ runAsUser, runAsGroup, capabilities, allowPrivilegeEscalation }: Container['securityContext']): readonly string[] {
  const added = ((capabilities.add ?? []) as readonly string[]).map((name) => `,+${name.toLowerCase()}`).join('')
  return [
    ...['setpriv', '--reuid', String(runAsUser), '--regid', String(runAsGroup), '--clear-groups'],
    ...[`--bounding-set=-all${added}`, '--inh-caps=-all', '--ambient-caps=-all'],
    ...(allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
  ]
}

function kubeletsEnv({ env = [] }: Container, { fields }: Pod): ReadonlyMap<string, string> {
  const made = new Map<string, string>()
  for (const { name, value, valueFrom } of env) {
    const text = value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''] ?? ''
    made.set(
      name,
      text.replaceAll(/\$\((\w+)\)/g, (whole, other: string) => made.get(other) ?? whole),
    )
  }
  return made
}

/** The process that is number 1 inside, by its number on the host. */
export function initOf({ pid }: Child): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0])
}
