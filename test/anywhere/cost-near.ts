import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTopology } from '@headwater/core/internal'
import { forward, type ReplayTarget } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'

// The instance that sends on, in a process of its own, so that its memory is its own; and beside it the same without `forward()`: what is
// compared shares its heap, its compiled code and its collector. argv: the address of the other region.

const address = process.argv[2] ?? ''
const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })

async function listen(replayTarget: ReplayTarget | undefined): Promise<number> {
  const lifecycle = createLifecycle({
    pool: { topology },
    secret: 'a secret of the cost script',
    earlyReplay: ({ method }) => (method === 'GET' ? 'never' : 'always'),
    replayTarget,
  })
  const server = createServer((request, response) => {
    const life = openNodeRequest(lifecycle, request, response)
    life?.run(async () => void response.end('read here')).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 65_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const port = await listen(forward({ regions: { ams: address } }))
const portWithout = await listen(undefined)
process.send?.({ port, portWithout })

let mostBytes = process.memoryUsage.rss()
function look(): void {
  // Only with --expose-gc: then what is counted is held, and not waiting to be collected.
  globalThis.gc?.()
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
}
process.on('message', (message) => {
  // To look costs as much as some reads do.
  if (message === 'watch memory') return void setInterval(look, 5).unref()
  const cpu = process.cpuUsage()
  process.send?.({ mostBytes, cpuMicros: cpu.user + cpu.system })
  mostBytes = process.memoryUsage.rss()
})
process.on('disconnect', () => process.exit())
