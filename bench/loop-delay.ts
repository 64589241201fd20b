// Loaded into the exporter beside its own code: at SIGUSR2 it says on stderr for how long the event loop stood still at most
// since the last time, and how much of a CPU its thread used at most between two turns: what others took from it is not in that.
// Knows nothing of the exporter.
const EVERY_MS = 1

let last = performance.now()
let used = process.threadCpuUsage()
let longest = 0
let busiest = 0

function turn(): void {
  const now = performance.now()
  const { user, system } = process.threadCpuUsage(used)
  longest = Math.max(longest, now - last - EVERY_MS)
  busiest = Math.max(busiest, (user + system) / 1000)
  last = now
  used = process.threadCpuUsage()
}

setInterval(turn, EVERY_MS).unref()

process.on('SIGUSR2', () => {
  turn()
  process.stderr.write(`${JSON.stringify({ longestDelayMs: longest, longestCpuMs: busiest })}\n`)
  longest = 0
  busiest = 0
})
