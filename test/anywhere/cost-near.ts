import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTopology } from '@headwater/core/internal'
import { forward } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'

// The instance that sends on, in a process of its own, so that its memory is its own. argv: the address of the other region, or `none`.

const address = process.argv[2] ?? 'none'
const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const lifecycle = createLifecycle({
  pool: { topology },
  secret: 'a secret of the cost script',
  earlyReplay: ({ method }) => (method === 'GET' ? 'never' : 'always'),
  replayTarget: address === 'none' ? undefined : forward({ regions: { ams: address } }),
})

const server = createServer((request, response) => {
  const life = openNodeRequest(lifecycle, request, response)
  life?.run(async () => void response.end('read here')).catch(() => response.destroy())
})
server.keepAliveTimeout = 65_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))

let mostBytes = process.memoryUsage.rss()
setInterval(() => {
  // Only with --expose-gc: then what is counted is held, and not waiting to be collected.
  globalThis.gc?.()
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
}, 5).unref()
process.on('message', () => {
  const cpu = process.cpuUsage()
  process.send?.({ mostBytes, cpuMicros: cpu.user + cpu.system })
  mostBytes = process.memoryUsage.rss()
})
process.on('disconnect', () => process.exit())
