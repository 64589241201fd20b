// Loaded into the exporter beside its own code: at SIGUSR2 it says on stderr for how long the event loop stood still at most since the
// last time, and what its thread had to do in one turn at most, which a busy machine does not stretch. Knows nothing of the exporter.
const EVERY_MS = 1

let last = performance.now()
let longest = 0
let lastCpuMs = cpuMs()
let longestCpuMs = 0

/** The kernel tells a thread's time as of the last tick, unless somebody has just asked for the whole process'. */
function cpuMs(): number {
  process.cpuUsage()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function turn(): void {
  const now = performance.now()
  const cpu = cpuMs()
  longest = Math.max(longest, now - last - EVERY_MS)
  longestCpuMs = Math.max(longestCpuMs, cpu - lastCpuMs)
  last = now
  lastCpuMs = cpu
}

setInterval(turn, EVERY_MS).unref()

process.on('SIGUSR2', () => {
  turn()
  process.stderr.write(`${JSON.stringify({ longestDelayMs: longest, longestCpuMs })}\n`)
  longest = 0
  longestCpuMs = 0
  last = performance.now()
  lastCpuMs = cpuMs()
})
