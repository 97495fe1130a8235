// A process of its own: dd-trace patches what is loaded after it. Its spans go to standard output.
import tracer from 'dd-trace'

tracer.init({ startupLogs: false, plugins: true })
const { quietReplays } = await import('./datadog.ts')
if (process.argv.includes('quiet')) quietReplays(tracer)
const { createRequire } = await import('node:module')
const express: typeof import('express') = createRequire(import.meta.url)('express')
const { appThatFailsLate } = await import('./app.ts')
const server = appThatFailsLate(express).listen(0, '127.0.0.1', async () => {
  const { port } = Object(server.address())
  await fetch(`http://127.0.0.1:${port}/note`, { method: 'GET' })
  await fetch(`http://127.0.0.1:${port}/broken`)
  server.close()
})
