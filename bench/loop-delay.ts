// Loaded into the exporter beside its own code: at SIGUSR2 it says on stderr for how long the event loop stood still at most
// since the last time. Knows nothing of the exporter.
const EVERY_MS = 1

let last = performance.now()
let longest = 0

setInterval(() => {
  const now = performance.now()
  longest = Math.max(longest, now - last - EVERY_MS)
  last = now
}, EVERY_MS).unref()

process.on('SIGUSR2', () => {
  process.stderr.write(`${JSON.stringify({ longestDelayMs: Math.max(longest, performance.now() - last - EVERY_MS) })}\n`)
  longest = 0
  last = performance.now()
})
