import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
import { forward } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'
import { afterEach, expect, test } from 'vitest'
import { away, SECRET } from '../src/testing/data-layer.ts'

/**
 * The far side and the client, in a thread of their own, so that they go on while this one is busy. The far side says that it keeps
 * connections for a while, and closes each 60 ms after its answer.
 */
const OTHERS = `
  const { parentPort } = require('node:worker_threads')
  const { createServer, request, Agent } = require('node:http')
  const counts = { begun: 0 }
  const far = createServer((message, response) => {
    message.resume()
    message.on('end', () => {
      counts.begun += 1
      response.setHeader('connection', 'keep-alive')
      response.setHeader('keep-alive', 'timeout=60')
      response.end('ok', () => setTimeout(() => message.socket.end(), 60))
    })
  })
  far.keepAliveTimeout = 60_000
  far.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: far.address().port }))
  const agent = new Agent({ keepAlive: true })
  parentPort.on('message', ({ near, after }) => setTimeout(() => {
    const asked = request({ host: '127.0.0.1', port: near, method: 'POST', path: '/', agent, headers: { 'content-length': 2 } }, (answer) => {
      answer.resume()
      answer.on('end', () => parentPort.postMessage({ status: answer.statusCode, begun: counts.begun }))
    })
    asked.on('error', (error) => parentPort.postMessage({ status: error.code, begun: counts.begun }))
    asked.end('{}')
  }, after))
`

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function start() {
  const others = new Worker(OTHERS, { eval: true })
  ends.push(() => others.terminate())
  const [{ port }] = await once(others, 'message')
  const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${port}` } })
  const lifecycle = createLifecycle({ pool: { topology: away }, secret: SECRET, replayTarget })
  const near = createServer((request, response) => {
    const life = openNodeRequest(lifecycle, request, response)
    life?.run(async () => void response.end('read here')).catch(() => response.destroy())
  })
  near.listen(0, '127.0.0.1')
  await once(near, 'listening')
  ends.push(
    () => near.closeAllConnections(),
    () => near.close(),
  )
  return async (after = 0, busyMillis = 0) => {
    const answer = once(others, 'message')
    others.postMessage({ near: (near.address() as AddressInfo).port, after })
    // As with a long computation: nothing is read, and no timer runs.
    if (busyMillis > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyMillis)
    const [{ status, begun }] = await answer
    return { status, begun }
  }
}

test('P9: an idle connection that the far side has closed in the meantime carries nothing: another does', async () => {
  const ask = await start()
  for (let round = 1; round <= 10; round += 1) {
    // The connection of the round before was closed by then.
    expect(await ask(150)).toEqual({ status: 200, begun: 2 * round - 1 })
    // The client asks after 30 ms, the far side closes after 60 ms, and this process sees both after 120 ms, in this order.
    expect(await ask(30, 120)).toEqual({ status: 200, begun: 2 * round })
  }
})
