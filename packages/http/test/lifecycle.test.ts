import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ReplayImpossible, ReplayToPrimary, type Topology } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'
import type { HttpRequestLife } from '../src/life/http-request-life.ts'
import { HttpLifecycle } from '../src/life/lifecycle.ts'
import type { HeadwaterOptions } from '../src/options.ts'
import { signState } from '../src/replay/replay-state.ts'
import type { ReplayAnswer, ReplayOrder, ReplayTarget } from '../src/replay/replay-target.ts'

const secret = 'long enough to be a secret'
const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
const NOW = 1_790_000_000_000

interface Asked {
  method?: string
  url?: string
  headers?: Record<string, string>
}

function lifecycleOf(topology: Topology, options: Partial<HeadwaterOptions> = {}): HttpLifecycle {
  const clocks = { wallMillis: () => NOW, monotonicMillis: () => 0 }
  return new HttpLifecycle({ pool: { topology }, secret, ...options }, clocks)
}

function open(lifecycle: HttpLifecycle, asked: Asked = {}): HttpRequestLife {
  const { method = 'GET', url = '/thing', headers = {} } = asked
  const all: Record<string, string> = { 'fly-request-id': '1', ...headers }
  const life = lifecycle.open({ method, url, header: (name) => all[name], isSecure: false })
  if (life === undefined) throw new Error('no life was opened')
  return life
}

/** What an answering target says. */
function answerOf(life: HttpRequestLife): ReplayAnswer | undefined {
  const answer = life.head.decide()
  if (answer !== undefined && 'forwardTo' in answer) throw new Error('the request was sent on')
  return answer
}

const replayedHeaders = (method: string, url: string): Record<string, string> => ({
  'fly-replay-src': `region=nrt;state=${signState([secret], { method, url }, 'write', NOW)}`,
})
const failedHeaders = { 'fly-replay-failed': 'reason=no_candidate' }

describe('obstacles to a replay', () => {
  test.each<[string, Asked]>([
    ['replay-failed', { headers: failedHeaders }],
    ['already-replayed', { headers: replayedHeaders('GET', '/thing') }],
    ['replay-failed', { headers: { ...failedHeaders, ...replayedHeaders('GET', '/thing') } }],
    ['body-too-large', { method: 'POST', headers: { 'content-length': '1000001' } }],
  ])('P4: %s', (blocker, asked) => {
    const life = open(lifecycleOf(away), asked)
    expect(life.scope.blocker).toBe(blocker)
    expect(life.isSpent).toBe(false)
    expect(life.scope.askForReplay(away, 'write')).toMatchObject({ blocker })
    expect(life.head.decide()).toBeUndefined()
  })

  test('F5: only a request that was replayed to the primary’s region visits it', () => {
    const headers = replayedHeaders('GET', '/thing')
    const isVisiting = (topology: Topology, asked: Asked) => open(lifecycleOf(topology), asked).scope.session.isVisiting
    expect(isVisiting(home, { headers })).toBe(true)
    expect(isVisiting(home, {})).toBe(false)
    // It came back, or went to a wrong region: its reads must work here.
    expect(isVisiting(away, { headers: { ...headers, ...failedHeaders } })).toBe(false)
    expect(isVisiting(away, { headers })).toBe(false)
  })

  describe('P4: a request that was replayed to here', () => {
    const known = (timeline: number, region = 'ams') => ({
      ...createTopology({ region, primaryRegion: 'nrt', hasReplica: true, cluster: '7', timeline }),
    })
    const arrive = (state: string, topology: Topology, heard: unknown[] = []): HttpRequestLife => {
      const clocks = { wallMillis: () => NOW, monotonicMillis: () => 0 }
      const pool = { topology, hear: (news: unknown) => void heard.push(news) }
      return open(new HttpLifecycle({ pool, secret }, clocks), {
        method: 'POST',
        headers: { 'fly-replay-src': `region=nrt;state=${state}` },
      })
    }
    const asked = { method: 'POST', url: '/thing' }
    const stateOn = (timeline: number) => signState([secret], asked, 'write', NOW, { cluster: '7', timeline })

    test('P4: is replayed once more where a later timeline is known than where it was sent, and not again', () => {
      const life = arrive(stateOn(1), known(2))
      expect(life.scope.blocker).toBeUndefined()
      expect(life.scope.askForReplay(known(2), 'write')).toMatchObject({ region: 'nrt', timeline: 2 })
      const answer = answerOf(life)
      const state = /state=([^;]+)/.exec(answer?.headers['fly-replay'] ?? '')?.[1] ?? ''
      const again = arrive(state, known(2, 'fra'))
      expect(again.scope.askForReplay(known(2, 'fra'), 'write')).toMatchObject({ blocker: 'already-replayed' })
      expect(arrive(state, known(1, 'fra')).scope.blocker).toBe('already-replayed')
    })

    test('P4, P7: not for a state that is old, forged, of another cluster, or without a timeline here', () => {
      const old = signState([secret], asked, 'write', NOW - 61_000, { cluster: '7', timeline: 1 })
      const forged = signState(['another secret, long enough'], asked, 'write', NOW, { cluster: '7', timeline: 1 })
      const other = signState([secret], asked, 'write', NOW, { cluster: '8', timeline: 1 })
      for (const state of [old, forged, other]) expect(arrive(state, known(2)).scope.blocker).toBe('already-replayed')
      expect(arrive(stateOn(1), away).scope.blocker).toBe('already-replayed')
    })

    test('F7: tells the pool of the timeline that its state names, if that is verified', () => {
      const heard: unknown[] = []
      arrive(stateOn(5), known(2), heard)
      arrive(
        signState(['another secret, long enough'], asked, 'write', NOW, { cluster: '7', timeline: 9 }),
        known(2),
        heard,
      )
      expect(heard).toMatchObject([{ cluster: '7', timeline: 5 }])
    })
  })

  test('P4: a body of exactly the limit can be replayed', () => {
    const life = open(lifecycleOf(away), { method: 'POST', headers: { 'content-length': '1000000' } })
    expect(life.isSpent).toBe(true)
  })

  test('P4: after the head of the response the replay comes too late', () => {
    const life = open(lifecycleOf(away))
    expect(life.head.decide()).toBeUndefined()
    expect(life.scope.askForReplay(away, 'write')).toMatchObject({ blocker: 'response-started' })
    expect(life.isSpent).toBe(false)
  })

  test('P8: retryAfterSeconds reaches the 503', () => {
    const life = open(lifecycleOf(away, { retryAfterSeconds: 30 }), { headers: failedHeaders })
    const error = life.scope.askForReplay(away, 'write')
    expect(error).toBeInstanceOf(ReplayImpossible)
    expect(error).toMatchObject({ status: 503, headers: { 'retry-after': '30' } })
  })

  test('P8: the driver error stays as cause', () => {
    const cause = new Error('cannot execute INSERT in a read-only transaction')
    const error = open(lifecycleOf(away), { headers: failedHeaders }).scope.askForReplay(away, 'refused', cause)
    expect(error.cause).toBe(cause)
  })
})

describe('early replay', () => {
  test('P5: the method is the prior, away from home only', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(open(lifecycleOf(away), { method }).isSpent).toBe(true)
      expect(open(lifecycleOf(home), { method }).isSpent).toBe(false)
      expect(open(lifecycleOf(away, { earlyReplay: false }), { method }).isSpent).toBe(false)
    }
    for (const method of ['GET', 'HEAD', 'OPTIONS']) expect(open(lifecycleOf(away), { method }).isSpent).toBe(false)
  })

  test('P5: never for a body of unknown length', () => {
    expect(open(lifecycleOf(away), { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }).isSpent).toBe(false)
    expect(open(lifecycleOf(away), { method: 'POST', headers: { 'content-length': 'x' } }).isSpent).toBe(false)
  })

  test('P5: its reason is route-prior, in the error and in the state', () => {
    const life = open(lifecycleOf(away), { method: 'POST' })
    expect(life.scope.replay).toBeInstanceOf(ReplayToPrimary)
    expect(life.scope.replay?.reason).toBe('route-prior')
    expect(answerOf(life)?.headers['fly-replay']).toContain('.route-prior.')
  })

  test('P5: two writes of a GET make its route early, for other ids too', () => {
    const lifecycle = lifecycleOf(away)
    for (const id of [1, 2]) {
      const life = open(lifecycle, { url: `/visit/${id}` })
      life.scope.askForReplay(away, 'write')
      life.head.end(409)
    }
    expect(open(lifecycle, { url: '/visit/3' }).isSpent).toBe(true)
    expect(open(lifecycle, { url: '/other/3' }).isSpent).toBe(false)
  })

  test('P5: a write found in a streamed body, after the end, counts', () => {
    const lifecycle = lifecycleOf(away)
    for (let round = 0; round < 3; round++) {
      const life = open(lifecycle)
      life.head.decide()
      life.head.end(200)
      life.scope.askForReplay(away, 'write')
    }
    expect(open(lifecycle).isSpent).toBe(true)
  })

  test('P5: an early replay and an error teach nothing; a success here does', () => {
    const lifecycle = lifecycleOf(away)
    for (let round = 0; round < 2; round++) {
      const life = open(lifecycle)
      life.scope.askForReplay(away, 'write')
      life.head.end(409)
    }
    for (let round = 0; round < 19; round++) open(lifecycle).head.end(409)
    const tried = open(lifecycle)
    expect(tried.isSpent).toBe(false)
    tried.head.end(422)
    expect(open(lifecycle).isSpent).toBe(true)
    for (let round = 0; round < 18; round++) open(lifecycle).head.end(409)
    open(lifecycle).head.end(200)
    expect(open(lifecycle).isSpent).toBe(false)
  })

  test('P5: a POST is replayed early each time, even after one that ran here only read', () => {
    const lifecycle = lifecycleOf(away)
    for (let round = 0; round < 100; round++) {
      open(lifecycle, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }).head.end(200)
      expect(open(lifecycle, { method: 'POST' }).isSpent).toBe(true)
    }
  })

  test('P5: the app decides per request; its answer is not remembered, and it is not asked at home', () => {
    const said: string[] = []
    const earlyReplay: HeadwaterOptions['earlyReplay'] = ({ url }) => {
      said.push(url)
      if (url.startsWith('/search')) return 'never'
      return url.startsWith('/callback') ? 'always' : undefined
    }
    const lifecycle = lifecycleOf(away, { earlyReplay })
    expect(open(lifecycle, { method: 'POST', url: '/search' }).isSpent).toBe(false)
    expect(open(lifecycle, { url: '/callback' }).isSpent).toBe(true)
    expect(lifecycle.memory.size).toBe(0)
    expect(open(lifecycle, { method: 'POST', url: '/notes' }).isSpent).toBe(true)
    expect(open(lifecycle, { url: '/notes' }).isSpent).toBe(false)
    const asked = said.length
    expect(open(lifecycleOf(home, { earlyReplay }), { url: '/callback' }).isSpent).toBe(false)
    expect(said.length).toBe(asked)
  })

  test('P5: earlyReplay that returns another value is refused by its name', () => {
    // @ts-expect-error -- what an app without types may return
    const lifecycle = lifecycleOf(away, { earlyReplay: () => true })
    expect(() => open(lifecycle)).toThrow(expect.objectContaining({ option: 'earlyReplay' }))
  })

  test('P5: an app names its routes', () => {
    const lifecycle = lifecycleOf(away, { route: (request) => request.header('x-operation') ?? 'none' })
    const visit = (url: string): HttpRequestLife => open(lifecycle, { url, headers: { 'x-operation': 'search' } })
    for (const url of ['/one', '/two']) {
      const life = visit(url)
      life.scope.askForReplay(away, 'write')
      life.head.end(409)
      expect(lifecycle.memory.size).toBe(1)
    }
    expect(visit('/three').isSpent).toBe(true)
  })

  test.each(['behind', 'seen-elsewhere', 'another-timeline', 'lagging', 'replica-lost'] as const)(
    'P5: a replay because of a replica (%s) teaches nothing, whatever status the target gives it',
    (reason) => {
      for (const status of [200, 409]) {
        const lifecycle = lifecycleOf(away)
        for (let round = 0; round < 10; round++) {
          for (const method of ['GET', 'POST']) {
            const life = open(lifecycle, { method, headers: { 'transfer-encoding': 'chunked' } })
            life.scope.askForReplay(away, reason)
            life.head.end(status)
          }
        }
        expect(open(lifecycle, { method: 'GET' }).isSpent).toBe(false)
        expect(open(lifecycle, { method: 'POST' }).isSpent).toBe(true)
      }
    },
  )

  test('P5: memory stays bounded, whatever paths clients invent', () => {
    const lifecycle = lifecycleOf(away)
    for (let at = 0; at < 3000; at++) {
      const life = open(lifecycle, { url: `/${at.toString(36)}x/y` })
      life.scope.askForReplay(away, 'write')
      life.head.end(409)
    }
    expect(lifecycle.memory.size).toBe(1000)
    for (let at = 0; at < 3000; at++) open(lifecycle, { url: `/read/${at.toString(36)}x/y` }).head.end(200)
    expect(lifecycle.memory.size).toBe(1000)
  })
})

test('P9: another target answers in its own way', () => {
  const nginx: ReplayTarget = {
    name: 'x-accel',
    answer: ({ region, state }) => ({ status: 200, headers: { 'x-accel-redirect': `/replay/${region}/${state}` } }),
    arrival: (header) => ({ state: header('x-replayed'), hasFailed: false, isBehindProxy: true }),
  }
  const lifecycle = lifecycleOf(away, { replayTarget: nginx })
  const answer = answerOf(open(lifecycle, { method: 'POST' }))
  const redirect = answer?.headers['x-accel-redirect'] ?? ''
  expect(redirect).toMatch(/^\/replay\/ams\/hw2\./)
  const state = redirect.slice('/replay/ams/'.length)
  const replayed = open(lifecycle, { method: 'POST', headers: { 'x-replayed': state } })
  expect(replayed.scope.blocker).toBe('already-replayed')
})

test('O1: a request that came by the proxy’s replay cache is said once, to the logger, in the primary’s region', () => {
  const said: string[] = []
  const logger = { info: () => {}, warn: (message: string) => said.push(message) }
  const headers = { 'fly-replay-cache-status': 'hit' }
  open(lifecycleOf(away, { logger }), { headers })
  expect(said).toEqual([])
  const lifecycle = lifecycleOf(home, { logger })
  for (let n = 0; n < 3; n += 1) open(lifecycle, { headers })
  expect(said).toEqual([expect.stringMatching(/HEADWATER_REPLAY_CACHED.*replay_cache/)])
})

describe('what a target is told', () => {
  /** The order that a target gets for this request. */
  function orderFor(asked: Asked, options: Partial<HeadwaterOptions> = {}): ReplayOrder {
    let told: ReplayOrder | undefined
    const replayTarget: ReplayTarget = {
      name: 'listening',
      answer: (order) => {
        told = order
        return { status: 200, headers: {} }
      },
      arrival: () => ({ state: undefined, hasFailed: false, isBehindProxy: true }),
    }
    open(lifecycleOf(away, { replayTarget, ...options }), { method: 'POST', ...asked }).head.decide()
    if (told === undefined) throw new Error('the target was not asked')
    return told
  }

  test('P9: method, scheme, host, path and query, the region, and why', () => {
    const headers = { host: 'app.example:8080', 'x-forwarded-proto': 'https, http' }
    expect(orderFor({ method: 'PUT', url: '/a/b?c=d', headers })).toMatchObject({
      region: 'ams',
      regions: ['ams'],
      reason: 'route-prior',
      request: { method: 'PUT', scheme: 'https', host: 'app.example:8080', url: '/a/b?c=d' },
    })
  })

  test.each(['', 'a b', 'evil.example/x', 'a\r\nx: y', 'user@host', '[::1', 'a'.repeat(300), 'host:port'])(
    'P7: the host %j names none',
    (host) => {
      expect(orderFor({ headers: { host, 'x-forwarded-proto': 'javascript' } }).request).toMatchObject({
        host: undefined,
        scheme: 'http',
      })
    },
  )

  test('P8: a target that can name none of the regions has failed: 503 with Retry-After', () => {
    const replayTarget: ReplayTarget = {
      name: 'nowhere',
      answer: () => undefined,
      arrival: () => ({ state: undefined, hasFailed: false, isBehindProxy: true }),
    }
    const answer = open(lifecycleOf(away, { replayTarget, retryAfterSeconds: 7 }), { method: 'POST' }).head.decide()
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '7', 'cache-control': 'no-store' } })
  })
})

test('a replay without a proxy in front warns, once per process', async () => {
  const script = `
    import { createTopology } from '@headwater/core/internal'
    import { HttpLifecycle } from './src/life/lifecycle.ts'
    const pool = { topology: createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true }) }
    const lifecycle = new HttpLifecycle({ pool, secret: '${secret}' })
    const post = (headers) => lifecycle.open({ method: 'POST', url: '/', header: (name) => headers[name] }).head.decide()
    process.on('warning', (warning) => console.log(warning.code, warning.name))
    post({ 'fly-request-id': '1' })
    setImmediate(() => { console.log('so far nothing'); post({}); post({}) })
  `
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=dev-source', '--no-warnings', '--input-type=module-typescript', '--eval', script],
    { cwd: new URL('..', import.meta.url), env: { ...process.env, NODE_OPTIONS: '' } },
  )
  expect(stdout.trim().split('\n')).toEqual(['so far nothing', 'HEADWATER_NO_PROXY HeadwaterWarning'])
})
