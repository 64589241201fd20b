// The programs of empty.bpf.c, attached where the exporter attaches its own until disposed.
import { join } from 'node:path'
import { Links } from '../src/kernel/attach.ts'
import { loadObject } from '../src/kernel/object.ts'
import { CGROUP_ROOT } from '../test/harness/cgroups.ts'

const OBJECT = join(import.meta.dirname, '..', 'dist', 'bench', 'empty.bpf.o')

export function attachEmpty(): Disposable {
  const stack = new DisposableStack()
  const object = stack.use(loadObject(OBJECT, { entries: {}, values: {} }))
  const links = stack.use(new Links())
  for (const [name, program] of object.programs()) {
    if (name === 'empty_state') links.attach(name, program)
    else links.attachToCgroup(name, program, CGROUP_ROOT)
  }
  return stack
}
