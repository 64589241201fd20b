import t from 'tap'
import { parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { type Service, stripService } from '../../../src/resolve/kubernetes/service.ts'
import { Services } from '../../../src/resolve/kubernetes/services.ts'
import { aUid } from './raw.ts'

const address = (text: string): Address => parseAddress(text) as Address
const TCP = 6

interface Raw {
  readonly uid?: string
  readonly name: string
  readonly cluster?: readonly string[]
  readonly outer?: readonly string[]
  readonly ports?: readonly { port: number; nodePort?: number; protocol?: string }[]
}

const service = ({ uid = aUid(), name, cluster = [], outer = [], ports = [] }: Raw): Service =>
  stripService({
    metadata: { uid, name, namespace: 'shop' },
    spec: { clusterIPs: cluster, externalIPs: outer, ports },
  }) as Service

t.test('a Service by its own addresses, its outer ports and its node ports', async (t) => {
  const prefixes = new PublicPrefixes()
  const services = new Services(prefixes)
  const web = service({
    name: 'web',
    cluster: ['10.96.0.1', 'fd00:96::1'],
    outer: ['203.0.113.1'],
    ports: [
      { port: 80, nodePort: 30080 },
      { port: 53, protocol: 'UDP' },
    ],
  })
  services.put(web)
  for (const text of ['10.96.0.1', 'fd00:96::1']) t.equal(services.atClusterAddress(address(text)), web)
  t.equal(services.atClusterAddress(address('203.0.113.1')), undefined)
  t.equal(services.atOuterPort(address('203.0.113.1'), TCP, 80), web)
  t.equal(services.atOuterPort(address('203.0.113.1'), 17, 80), undefined)
  t.equal(services.atOuterPort(address('203.0.113.1'), 17, 53), web)
  t.equal(services.atOuterAddress(address('203.0.113.1')), web)
  t.equal(services.atNodePort(TCP, 30080), web)
  t.equal(services.atNodePort(TCP, 80), undefined)
  t.equal(services.atNodePort(17, 0), undefined)
  t.equal(prefixes.list().length, 1)
  services.remove(web)
  t.strictSame(
    [
      services.atClusterAddress(address('10.96.0.1')),
      services.atOuterPort(address('203.0.113.1'), TCP, 80),
      services.atOuterAddress(address('203.0.113.1')),
      services.atNodePort(TCP, 30080),
      services.size,
      prefixes.list().length,
    ],
    [undefined, undefined, undefined, undefined, 0, 0],
  )
})

t.test('two Services behind one outer address are told apart by port, and not without one', async (t) => {
  const services = new Services(new PublicPrefixes())
  const [web, mail] = [
    service({ name: 'web', outer: ['203.0.113.1'], ports: [{ port: 443 }] }),
    service({ name: 'mail', outer: ['203.0.113.1'], ports: [{ port: 25 }] }),
  ]
  services.put(web)
  services.put(mail)
  t.equal(services.atOuterPort(address('203.0.113.1'), TCP, 443), web)
  t.equal(services.atOuterPort(address('203.0.113.1'), TCP, 25), mail)
  t.equal(services.atOuterAddress(address('203.0.113.1')), undefined)
  services.remove(mail)
  t.equal(services.atOuterAddress(address('203.0.113.1')), web)
})

t.test('a Service that changes loses what it had, and one made anew takes over its address in whatever order the news comes', async (t) => {
  const services = new Services(new PublicPrefixes())
  const uid = aUid()
  services.put(service({ uid, name: 'web', cluster: ['10.96.0.1'], ports: [{ port: 80, nodePort: 30080 }] }))
  services.put(service({ uid, name: 'web', cluster: ['10.96.0.1'], ports: [{ port: 80, nodePort: 30081 }] }))
  t.equal(services.atNodePort(TCP, 30080), undefined)
  t.equal(services.atNodePort(TCP, 30081)?.uid, uid)
  const anew = service({ name: 'web2', cluster: ['10.96.0.1'] })
  services.put(anew)
  services.remove(service({ uid, name: 'web' }))
  t.equal(services.atClusterAddress(address('10.96.0.1')), anew)
  t.equal(services.atNodePort(TCP, 30081), undefined, 'all that it had, whatever the last news of it says')
})

t.test('what a new list does not name has gone', async (t) => {
  const services = new Services(new PublicPrefixes())
  const [web, mail] = [service({ name: 'web', cluster: ['10.96.0.1'] }), service({ name: 'mail', cluster: ['10.96.0.2'] })]
  for (const one of [web, mail]) services.put(one)
  services.listing()
  services.put(mail)
  const before = services.generation
  services.listed()
  t.ok(services.generation > before)
  t.equal(services.atClusterAddress(address('10.96.0.1')), undefined)
  t.equal(services.atClusterAddress(address('10.96.0.2')), mail)
  t.equal(services.synced, true)
})
