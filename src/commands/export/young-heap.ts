// How much room V8 takes for what dies young. Knows nothing of what that is.
import { setFlagsFromString } from 'node:v8'

/**
 * Each collection, and a list of the cluster's pods, makes some megabytes of objects that die at once. V8 would double the space for new
 * ones again and again, to 128 MiB with 100,000 lines; kept as it is at the start a scrape takes a tenth more CPU, and 80 MiB less
 * stay resident.
 */
export function keepYoungHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
