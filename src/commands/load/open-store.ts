// Opens the store on what an earlier process left, and tells the programs where its numbers begin at 0. Counts nothing.
import type { Config } from '../../config.ts'
import { createStore, type Store, type StoreOptions } from '../../store/store.ts'
import type { Counting } from './start-counting.ts'

export interface Opened {
  readonly store: Store
  /** Do its numbers begin at 0 over maps that go on? Then what these hold belongs to connections that it does not know. */
  readonly begins: boolean
  /** Why they begin at 0; empty where they go on. */
  readonly reason: string
}

/** Whenever the process ends in here, the next one does the same again. */
export function openStore(
  config: Config,
  { datapath, memory, identity }: Counting,
  world: Pick<StoreOptions, 'now' | 'startMs' | 'lives'> = {},
): Opened {
  const open = (): Store => createStore({ ...config, ...world, memory, identity: `${identity} ${datapath.epoch}` })
  const found = open()
  const goesOn = found.opening.restored && found.drains().committed.number > 0
  if (goesOn || datapath.origin === 'made') return { store: found, begins: false, reason: found.opening.reason }
  datapath.beginEpoch()
  return { store: open(), begins: true, reason: found.opening.reason || 'no collection was ever finished' }
}
