// Is this kernel new enough, does it describe its types, and does a lockdown matter to us?
import { readFile, stat } from 'node:fs/promises'
import { release as hostRelease } from 'node:os'
import { BTF_PATH, isKernelSupported, KERNEL_FLOOR } from '../../kernel/requirements.ts'
import type { Check } from './check.ts'

export function kernelVersion(release: string = hostRelease()): Check {
  const enough = isKernelSupported(release)
  const remedy = enough ? '' : `run Linux ${KERNEL_FLOOR.join('.')} or newer`
  return { name: 'kernel', run: async () => [{ check: 'kernel', status: enough ? 'ok' : 'fail', found: `Linux ${release}`, remedy }] }
}

export function btf(path: string = BTF_PATH): Check {
  const remedy = 'run a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, with /sys mounted'
  return {
    name: 'btf',
    run: async () => {
      const size = await stat(path).then(
        (found) => found.size,
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      if (typeof size === 'number' && size > 0) return [{ check: 'btf', status: 'ok', found: `${path}, ${size} B`, remedy: '' }]
      return [{ check: 'btf', status: 'fail', found: `${path}: ${size === 0 ? 'empty' : size}`, remedy }]
    },
  }
}

/**
 * Only reported: the programs read kernel memory through BTF alone, which `confidentiality` allows, and an exporter with
 * its capabilities is not what kernel.unprivileged_bpf_disabled keeps out.
 */
export function lockdown(
  path: string = '/sys/kernel/security/lockdown',
  unprivileged: string = '/proc/sys/kernel/unprivileged_bpf_disabled',
): Check {
  return {
    name: 'lockdown',
    run: async () => {
      const state = /\[(\w+)\]/.exec(await readFile(path, 'utf8').catch(() => ''))?.[1] ?? 'not told (no securityfs)'
      const disabled = (await readFile(unprivileged, 'utf8').catch(() => 'not told')).trim()
      const found = `lockdown ${state}, kernel.unprivileged_bpf_disabled ${disabled}`
      return [{ check: 'lockdown', status: 'ok', found, remedy: '' }]
    },
  }
}
