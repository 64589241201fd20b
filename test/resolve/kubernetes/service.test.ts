import t from 'tap'
import { formatAddress } from '../../../src/address.ts'
import { stripService } from '../../../src/resolve/kubernetes/service.ts'
import { broken, UID } from './raw.ts'

const RAW = {
  metadata: { uid: UID, name: 'web', namespace: 'shop' },
  spec: {
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7', 'fd00:96::7'],
    externalIPs: ['203.0.113.5'],
    ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }, { port: 53, protocol: 'UDP' }, { port: 443 }],
  },
  status: { loadBalancer: { ingress: [{ ip: '198.51.100.9' }, { hostname: 'lb.example' }] } },
}

t.test('a Service: its own addresses of both families, the outer ones, and its ports', async (t) => {
  const service = stripService(RAW)
  t.match(service, { uid: UID, namespace: 'shop', name: 'web' })
  t.strictSame(service?.clusterAddresses.map(formatAddress), ['10.96.0.7', 'fd00:96::7'])
  t.strictSame(service?.outerAddresses.map(formatAddress), ['198.51.100.9', '203.0.113.5'])
  t.strictSame(service?.ports, [
    { protocol: 6, port: 80, nodePort: 30080 },
    { protocol: 17, port: 53, nodePort: 0 },
    { protocol: 6, port: 443, nodePort: 0 },
  ])
})

t.test('a headless Service and an ExternalName have no address', async (t) => {
  const headless = stripService({ ...RAW, spec: { clusterIP: 'None', clusterIPs: ['None'] }, status: {} })
  t.strictSame([headless?.clusterAddresses, headless?.outerAddresses, headless?.ports], [[], [], []])
  t.strictSame(stripService({ metadata: RAW.metadata, spec: { externalName: 'x.example' } })?.clusterAddresses, [])
})

t.test('a Service with anything missing or wrong is none, or has less, and never throws', async (t) => {
  let none = 0
  let all = 0
  for (const raw of broken(RAW)) {
    all++
    if (stripService(raw) === undefined) none++
  }
  t.ok(none > 20 && none < all, `${none} of ${all} are none`)
})
