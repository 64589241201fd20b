// How many GPUs there are, in words. Counts; reads nothing.
import type { GpuSample } from '../../../model.ts'

/** `2 GPUs`, `1 GPU with 7 MIG instances` */
export function gpusIn(samples: readonly GpuSample[]): string {
  const instances = samples.filter(({ device }) => device.migInstance !== '').length
  const gpus = counted(samples.length - instances, 'GPU')
  return instances === 0 ? gpus : `${gpus} with ${counted(instances, 'MIG instance')}`
}

/** `1 port`, `2 ports` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
