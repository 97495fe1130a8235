import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { openWire } from '@headwater/cluster'

// What forward() costs: `pnpm anywhere:cost`. Latency and throughput are ratios of turns taken in pairs, so that a busy machine weighs on both.

const CROSSING_MILLIS = 100
const PAIRS = 41
const ANSWER_BYTES = 1_000_000_000
const ROUNDS = 11
const READS_PER_ROUND = 2_000

const { values } = parseArgs({ options: { bytes: { type: 'string' } } })
const answerBytes = Number(values.bytes ?? ANSWER_BYTES)

/** The app of the primary's region: a write takes a moment, `/large` answers with as many bytes as it is asked for. */
const far = createServer((incoming, response) => {
  incoming.resume()
  if (incoming.url !== '/large') return void setTimeout(() => response.end('written'), 5)
  const chunk = Buffer.alloc(65_536)
  let left = answerBytes
  const more = (): void => {
    while (left > 0) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!response.write(part)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
})
far.keepAliveTimeout = 65_000
far.listen(0, '127.0.0.1')
await once(far, 'listening')
const farPort = (far.address() as AddressInfo).port

const agent = new Agent({ keepAlive: true, maxSockets: 32 })
const children: ChildProcess[] = []

async function near(address: string): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(`${import.meta.dirname}/cost-near.ts`, [address])
  children.push(child)
  const [{ port }] = await once(child, 'message')
  return { child, port }
}

/** How long a request takes, in ms, and how many bytes its answer has. */
function ask(port: number, method: string, path = '/'): Promise<{ millis: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const headers = { 'content-length': method === 'GET' ? 0 : 10_000 }
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent, headers }, (answer) => {
      let bytes = 0
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ millis: performance.now() - startedAt, bytes }))
    })
    outgoing.on('error', reject)
    outgoing.end(method === 'GET' ? undefined : Buffer.alloc(10_000))
  })
}

const medianOf = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

async function latency(): Promise<string> {
  await using ocean = await openWire({ host: '127.0.0.1', port: farPort })
  ocean.slow({ latencyMillis: CROSSING_MILLIS / 2 })
  const { port } = await near(`http://127.0.0.1:${ocean.port}`)
  for (let turn = 0; turn < 5; turn += 1) await Promise.all([ask(port, 'POST'), ask(ocean.port, 'POST')])
  const [forwarded, straight]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < PAIRS; turn += 1) {
    forwarded.push((await ask(port, 'POST')).millis)
    straight.push((await ask(ocean.port, 'POST')).millis)
  }
  const [ours, limit] = [medianOf(forwarded), medianOf(straight)]
  return `a forwarded write: p50 ${ours.toFixed(1)} ms; straight over the same crossing ${limit.toFixed(1)} ms: ${(ours / limit).toFixed(3)}`
}

async function memory(): Promise<string> {
  const { child, port } = await near(`http://127.0.0.1:${farPort}`)
  const most = async (): Promise<number> => {
    child.send('most')
    const [{ mostBytes }] = await once(child, 'message')
    return Math.round(mostBytes / 1e6)
  }
  for (let turn = 0; turn < 200; turn += 1) await ask(port, 'POST')
  const before = await most()
  const { bytes, millis } = await ask(port, 'POST', '/large')
  const during = await most()
  return `an answer of ${bytes / 1e6} MB, forwarded in ${(millis / 1000).toFixed(1)} s: at most ${during} MB of RSS, ${before} MB before it: ${during - before} MB more`
}

async function throughput(): Promise<string> {
  const [withTarget, without] = [(await near(`http://127.0.0.1:${farPort}`)).port, (await near('none')).port]
  const round = async (port: number): Promise<number> => {
    const startedAt = performance.now()
    let left = READS_PER_ROUND
    const one = async (): Promise<void> => {
      while (left-- > 0) await ask(port, 'GET')
    }
    await Promise.all(Array.from({ length: 16 }, one))
    return performance.now() - startedAt
  }
  await Promise.all([round(withTarget), round(without)])
  const ratios: number[] = []
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    // Who goes first changes, or a machine that gets busier speaks against one of them.
    const first = turn % 2 === 0 ? await round(withTarget) : 0
    const other = await round(without)
    ratios.push(other / (first === 0 ? await round(withTarget) : first))
  }
  return `reads that stay here, with forward() to without: ${medianOf(ratios).toFixed(3)} of the throughput (${ROUNDS} pairs, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

try {
  for (const measure of [latency, memory, throughput]) console.log(await measure())
} finally {
  for (const child of children) child.disconnect()
  agent.destroy()
  far.closeAllConnections()
  far.close()
}
