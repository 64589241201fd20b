import t from 'tap'
import { dialledAddresses } from '../../../src/commands/diagnose/dialled-addresses.ts'
import { ALONE } from '../../../src/kernel/dial-observers.ts'
import { startBalancer } from '../../harness/balancer.ts'
import { onSite } from '../../harness/site.ts'

const HOOKS = 'connect4, connect6, sendmsg4, sendmsg6'

t.test(
  'where nobody rewrites what is dialled all is well, and where somebody does that can be seen before',
  onSite(async (t, site) => {
    const root = site.cgroup('node')
    const ask = async () => (await dialledAddresses(root.directory).run())[0]
    t.match(await ask(), { status: 'ok', found: 'nobody rewrites what is dialled' })
    const balancer = startBalancer(site.undo, root.directory)
    t.match(await ask(), { status: 'warn', found: `below ${root.directory} is no cgroup of pods`, remedy: 'kubelet' })
    const pods = site.cgroup('kubepods', root)
    const found = `other programs at ${HOOKS} may rewrite what is dialled: observed before, at ${pods.directory}`
    t.match(await ask(), { check: 'dialled_addresses', status: 'ok', found })
    balancer.end()
    startBalancer(site.undo, root.directory, { alone: 'exclusive' })
    t.match(await ask(), { status: 'warn', found: `let nobody look before, at ${root.directory}`, remedy: ALONE })
  }),
)
