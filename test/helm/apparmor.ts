// What the AppArmor profile that container runtimes apply by default denies to write, pin or lock below /sys. Knows its globs.

/** Of containerd's template; Docker's and CRI-O's have the same. A path is denied where one matches it. */
const DENIED = [
  '/sys/[^f]*/**',
  '/sys/f[^s]*/**',
  '/sys/fs/[^c]*/**',
  '/sys/fs/c[^g]*/**',
  '/sys/fs/cg[^r]*/**',
  '/sys/firmware/**',
  '/sys/devices/virtual/powercap/**',
  '/sys/kernel/security/**',
] as const

/** apparmor.d(5): `*` stays within a directory, `**` does not. */
function expression(glob: string): RegExp {
  const parts = glob.split(/(\*\*|\*|\[[^\]]*\])/)
  const text = parts.map((part) =>
    part === '**' ? '.+' : part === '*' ? '[^/]*' : part.startsWith('[') ? part : part.replaceAll('.', '\\.'),
  )
  return new RegExp(`^${text.join('')}$`)
}

/** The rule that denies it, undefined where none does. */
export function writeDenied(path: string): string | undefined {
  return DENIED.find((glob) => expression(glob).test(path))
}
