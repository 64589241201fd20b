// An API server with many pods, in a process of its own: `server.ts PODS`. Says its port, then does what standard input says:
// `events COUNT` writes so many changes to every watch as fast as it takes them, `paced COUNT RATE` so many a second.
// Knows nothing of who follows.
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiServer } from '../../test/harness/api-server.ts'
import { Undo } from '../../test/harness/undo.ts'
import { numbered } from './pods.ts'

const TICK_MS = 10

const pods = Number(process.argv[2])
const undo = new Undo()
const server = await ApiServer.start(undo)

for (let index = 0; index < pods; index++) server.put(numbered(index))

/** Lines of a watch, made before they are timed. */
let version = Number(server.version)
function changes(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const object = numbered(index % pods)
    object.metadata.resourceVersion = `${++version}`
    return Buffer.from(`${JSON.stringify({ type: 'MODIFIED', object })}\n`)
  })
}

async function paced(events: readonly Buffer[], rate: number): Promise<void> {
  const began = performance.now()
  for (let sent = 0; sent < events.length; ) {
    const due = Math.min(events.length, Math.ceil(((performance.now() - began) / 1000) * rate))
    if (due > sent) server.say(Buffer.concat(events.slice(sent, due)))
    sent = due
    await sleep(TICK_MS)
  }
}

console.log(JSON.stringify({ url: server.url }))
for await (const line of createInterface(process.stdin)) {
  const [command, count = '0', rate] = line.split(' ')
  const events = changes(Number(count))
  console.log(JSON.stringify({ version: `${version}`, bytes: events.reduce((sum, event) => sum + event.length, 0) }))
  if (command === 'paced') await paced(events, Number(rate))
  else server.say(Buffer.concat(events))
}
await undo.all()
