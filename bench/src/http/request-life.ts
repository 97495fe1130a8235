import { NO_NODE, signToken, type Token, tokenName, toLsn } from '@headwater/core/internal'
import { createLifecycle, type RequestFacts, type ResponseHead } from '@headwater/http/adapter'
import type { Figure, Section } from '../report.ts'
import { summarise } from '../statistics.ts'

const SECRETS = ['a secret that is only for measuring']
const COUNTS = [0, 1, 4, 32]
const AT_MOST_MICROS = new Map([
  [1, 4],
  [32, 20],
])
const QUICK = { rounds: 9, lives: 1_000 }
const FULL = { rounds: 61, lives: 4_000 }

/** The life of one request, without any framework and network: what it takes more for each token that it carries. */
export async function measureRequestLife(isQuick: boolean): Promise<Section> {
  const { rounds, lives } = isQuick ? QUICK : FULL
  const lifecycle = createLifecycle({
    pool: { topology: { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true } },
    secret: SECRETS,
  })
  const contenders = COUNTS.map((count) => ({ count, facts: factsWith(count), samples: [] as number[] }))
  for (let round = -rounds; round < rounds; round += 1) {
    for (const { facts, samples } of contenders) {
      const start = process.cpuUsage()
      for (let life = 0; life < lives; life += 1) {
        const opened = lifecycle.open(facts)
        await opened?.run(nothing)
        opened?.respond(headOf())
      }
      const { user, system } = process.cpuUsage(start)
      if (round >= 0) samples.push((user + system) / lives)
    }
  }
  return {
    title: 'The life of one request',
    note: `Opened, run and answered, ${rounds} rounds of ${lives} each in turns; CPU time of this process. The same cookies come with each request.`,
    figures: contenders.map(({ count, samples }): Figure => {
      const atMost = AT_MOST_MICROS.get(count)
      return {
        name: `${count} token${count === 1 ? '' : 's'}`,
        unit: 'µs',
        summary: summarise(samples),
        ...(atMost !== undefined && { target: { atMost } }),
      }
    }),
  }
}

const nothing = (): Promise<void> => Promise.resolve()

function factsWith(tokens: number): RequestFacts {
  const now = Date.now()
  const cookies = Array.from({ length: tokens }, (_, index) => {
    const position = { cluster: 1n, timeline: 1, lsn: toLsn(BigInt(index + 1) << 20n), node: NO_NODE }
    const token: Token = { ...position, issuedAt: now, expires: now + 600_000 }
    return `headwater.${tokenName(token, SECRETS)}=${signToken(token, SECRETS)}`
  })
  const headers = new Map([
    ['host', 'localhost'],
    ['fly-region', 'nrt'],
  ])
  if (tokens > 0) headers.set('cookie', cookies.join('; '))
  return { method: 'GET', url: '/json', header: (name) => headers.get(name), isSecure: true }
}

function headOf(): ResponseHead {
  const headers = new Map<string, string>()
  const cookies: string[] = []
  return {
    status: 200,
    setStatus: () => {},
    get: (name) => headers.get(name),
    set: (name, value) => void headers.set(name, value),
    addCookie: (cookie) => void cookies.push(cookie),
  }
}
