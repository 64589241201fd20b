// A place for one end-to-end test: cgroups, namespaces, agents and an exporter, all gone at its end, which is checked too.
import type { Test } from 'tap'
import { type Bpffs, mountBpffs } from './bpffs.ts'
import { type Cgroup, makeCgroup } from './cgroups.ts'
import { Exporter, type ExporterOptions } from './exporter.ts'
import { leftSince, traces } from './leftovers.ts'
import { makeNamespace, type Namespace } from './namespaces.ts'
import { Agent, Bulk, type Place } from './traffic.ts'
import { Undo } from './undo.ts'

/** Most take less than a third of it on two busy cores; others say how long. */
const LIMIT_MS = 110_000

export class Site {
  readonly undo = new Undo()
  readonly exporters: Exporter[] = []

  cgroup(name: string, parent?: Cgroup): Cgroup {
    return makeCgroup(this.undo, name, parent)
  }

  namespace(name: string): Namespace {
    return makeNamespace(this.undo, name)
  }

  agent(place: Place): Agent {
    return new Agent(this.undo, place)
  }

  bulk(place: Place, command: string, options: Readonly<Record<string, string | number | true>>): Bulk {
    return new Bulk(this.undo, place, command, options)
  }

  bpffs(): Bpffs {
    return mountBpffs(this.undo)
  }

  async exporter(options: ExporterOptions = {}): Promise<Exporter> {
    const exporter = await Exporter.start(this.undo, options)
    this.exporters.push(exporter)
    return exporter
  }
}

/** The body of a test. Exporters still running at its end get SIGTERM and must end with 0; nothing may be left in the kernel. */
export function onSite(body: (t: Test, site: Site) => Promise<void>, limitMs = LIMIT_MS): (t: Test) => Promise<void> {
  return async (t) => {
    t.setTimeout(limitMs)
    const before = traces()
    const site = new Site()
    try {
      await body(t, site)
      for (const exporter of site.exporters.filter(({ dead }) => !dead))
        t.same(await exporter.stop(), { code: 0, signal: null }, 'SIGTERM ends it with 0')
    } finally {
      await site.undo.all()
    }
    t.same(await leftSince(before), [], 'nothing is left')
  }
}
