import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { openWire } from '@headwater/cluster'

// What forward() costs: `pnpm anywhere:cost`, `--only throughput`. Latency and throughput are ratios of turns taken in pairs, so that a busy machine weighs on both.

const CROSSING_MILLIS = 100
const PAIRS = 41
const ANSWER_BYTES = 1_000_000_000
const ROUNDS = 400
const READS_PER_ROUND = 400

const { values } = parseArgs({ options: { bytes: { type: 'string' }, only: { type: 'string' } } })
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

interface Near {
  readonly child: ChildProcess
  readonly port: number
  /** Where the same listens without `forward()`. */
  readonly portWithout: number
}

async function near(address: string, flags: readonly string[] = []): Promise<Near> {
  const execArgv = [...process.execArgv, ...flags]
  const child = fork(`${import.meta.dirname}/cost-near.ts`, [address], { execArgv })
  children.push(child)
  const [ports] = await once(child, 'message')
  return { child, ...ports }
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

/** How much memory an answer takes; with `isCollected` what is held, without what waits for the collector (V8 lets 64 MB of buffers wait). */
async function memory(isCollected: boolean): Promise<string> {
  const { child, port } = await near(`http://127.0.0.1:${farPort}`, isCollected ? ['--expose-gc'] : [])
  child.send('watch memory')
  const most = async (): Promise<number> => Math.round((await tell(child)).mostBytes / 1e6)
  for (let turn = 0; turn < 200; turn += 1) await ask(port, 'POST')
  const before = await most()
  const { bytes, millis } = await ask(port, 'POST', '/large')
  const during = await most()
  const what = isCollected ? 'more, collected all the time' : 'more'
  return `an answer of ${bytes / 1e6} MB, forwarded in ${(millis / 1000).toFixed(1)} s: at most ${during} MB of RSS, ${before} MB before it: ${during - before} MB ${what}`
}

async function tell(child: ChildProcess): Promise<{ mostBytes: number; cpuMicros: number }> {
  child.send('tell')
  const [told] = await once(child, 'message')
  return told
}

/** What a read costs that stays here, in CPU time of the instance, which a busy machine weighs on least. */
async function throughput(): Promise<string> {
  const { child, port, portWithout } = await near(`http://127.0.0.1:${farPort}`)
  const round = async (to: number): Promise<number> => {
    const { cpuMicros } = await tell(child)
    let left = READS_PER_ROUND
    const one = async (): Promise<void> => {
      while (left-- > 0) await ask(to, 'GET')
    }
    await Promise.all(Array.from({ length: 16 }, one))
    return (await tell(child)).cpuMicros - cpuMicros
  }
  for (let turn = 0; turn < 20; turn += 1) await Promise.all([round(port), round(portWithout)])
  const ratios: number[] = []
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    // Who goes first changes, or a machine that gets busier speaks against one of them.
    const first = turn % 2 === 0 ? await round(port) : undefined
    const other = await round(portWithout)
    ratios.push(other / (first ?? (await round(port))))
  }
  const [least, most] = quartilesOf(ratios).map((ratio) => ratio.toFixed(2))
  return `reads that stay here, by CPU time: ${medianOf(ratios).toFixed(3)} of the throughput without forward() (${ROUNDS} pairs, half of them ${least} to ${most})`
}

function quartilesOf(numbers: readonly number[]): number[] {
  const sorted = numbers.toSorted((a, b) => a - b)
  return [0.25, 0.75].map((part) => sorted[Math.floor(part * sorted.length)] ?? Number.NaN)
}

const measures = { latency, memory: () => memory(false), 'memory held': () => memory(true), throughput }
try {
  for (const [name, measure] of Object.entries(measures)) {
    if (values.only === undefined || name.startsWith(values.only)) console.log(await measure())
  }
} finally {
  for (const child of children) child.disconnect()
  agent.destroy()
  far.closeAllConnections()
  far.close()
}
