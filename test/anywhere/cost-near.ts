import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTopology } from '@headwater/core/internal'
import { forward } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'

// The instance that sends on, in a process of its own, so that its memory is its own. argv: the address of the other region, or `none`.

const address = process.argv[2] ?? 'none'
const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const options = { pool: { topology }, secret: 'a secret of the cost script', earlyReplay: () => 'never' as const }
const regions = { ams: address === 'none' ? 'http://127.0.0.1:1' : address }
const steered = {
  ...options,
  earlyReplay: ({ method }: { method: string }) => (method === 'GET' ? 'never' : 'always') as const,
}
const target = forward({ regions })
const lifecycle = createLifecycle(address === 'none' ? options : { ...steered, replayTarget: target })

const server = createServer((request, response) => {
  const life = openNodeRequest(lifecycle, request, response)
  life?.run(async () => void response.end('read here')).catch(() => response.destroy())
})
server.keepAliveTimeout = 65_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))

let mostBytes = process.memoryUsage.rss()
setInterval(() => {
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
}, 5).unref()
process.on('message', () => {
  process.send?.({ mostBytes })
  mostBytes = process.memoryUsage.rss()
})
process.on('disconnect', () => process.exit())
