// The order of resource versions. Servers of Kubernetes count them up; others may write anything, which is never compared.

const COUNTED = /^[1-9]\d*$/

/** True only where both are numbers. They may have more digits than a number of JavaScript. */
export function isOlder(version: string, than: string): boolean {
  if (version === than || !COUNTED.test(version) || !COUNTED.test(than)) return false
  return version.length === than.length ? version < than : version.length < than.length
}
