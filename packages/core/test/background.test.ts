import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  BackgroundAbandoned,
  type BackgroundEvent,
  backgroundSettled,
  configureBackground,
  currentScope,
  diagnostics,
  ensurePrimary,
  inBackground,
  OptionsInvalid,
  ReplayToPrimary,
  runInScope,
  Scope,
} from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
const request = (topology = away): Scope => new Scope({ kind: 'request', topology: () => topology })

const failures: [name: string | undefined, error: unknown][] = []

beforeEach(() => {
  failures.length = 0
  configureBackground({
    concurrency: 5,
    queueLimit: 1000,
    timeoutMillis: 10_000,
    onError: (error, { name }) => failures.push([name, error]),
  })
})
afterEach(() => backgroundSettled())

describe('P12: when it begins', () => {
  const done: string[] = []
  beforeEach(() => {
    done.length = 0
  })
  const give = (name: string) => inBackground(() => done.push(name))

  test('P12: at once outside a scope, in a job, at home and where no replay is possible; never before its caller goes on', async () => {
    give('outside')
    runInScope(new Scope(), () => give('job'))
    runInScope(request(home), () => give('home'))
    runInScope(new Scope({ kind: 'request', blocker: 'replay-failed', topology: () => away }), () => give('blocked'))
    expect(done).toEqual([])
    await backgroundSettled()
    expect(done).toEqual(['outside', 'job', 'home', 'blocked'])
  })

  test('P12: else when a replay has become impossible, and it becomes so once', async () => {
    const scope = request()
    runInScope(scope, () => give('held'))
    await sleep(20)
    expect(done).toEqual([])
    scope.blockReplay('response-started')
    scope.blockReplay('forbidden')
    runInScope(scope, () => give('behind the head'))
    await backgroundSettled()
    expect(done).toEqual(['held', 'behind the head'])
  })

  test('P12: never in a request that is replayed, given before it or after', async () => {
    const scope = request()
    runInScope(scope, () => {
      give('before')
      expect(() => ensurePrimary()).toThrow(ReplayToPrimary)
      give('after')
    })
    scope.blockReplay('response-started')
    await backgroundSettled()
    await sleep(5)
    expect(done).toEqual([])
  })
})

describe('P12: where it runs', () => {
  test('P12: in a job of its own, in the asynchronous context of its caller; its writes are not those of the request', async () => {
    const trace = new AsyncLocalStorage<string>()
    const scope = request(home)
    const seen: unknown[] = []
    trace.run('trace 1', () =>
      runInScope(scope, () =>
        inBackground(() => {
          const own = currentScope()
          if (own !== undefined) own.hasWritten = true
          seen.push(own?.kind, own === scope, trace.getStore())
        }),
      ),
    )
    await backgroundSettled()
    expect(seen).toEqual(['job', false, 'trace 1'])
    expect(scope.hasWritten).toBe(false)
  })

  test('P12: a query builder that sends its query when it is awaited sends it there', async () => {
    let sentIn: Scope | undefined
    const builder = {
      // biome-ignore lint/suspicious/noThenProperty: Drizzle's and Knex's builders are thenables.
      then: (resolve: (value: unknown) => void) => {
        sentIn = currentScope()
        resolve(1)
      },
    }
    inBackground(() => builder)
    await backgroundSettled()
    expect(sentIn?.kind).toBe('job')
  })
})

describe('P12: it is bounded', () => {
  test('P12: as many run as was said, as many wait, and one more is given up at once', async () => {
    configureBackground({ concurrency: 2, queueLimit: 3 })
    let [running, most, done] = [0, 0, 0]
    for (let n = 1; n <= 6; n += 1) {
      inBackground(
        async () => {
          running += 1
          most = Math.max(most, running)
          await sleep(5)
          running -= 1
          done += 1
        },
        { name: `work ${n}` },
      )
    }
    expect(failures).toMatchObject([['work 6', { code: 'HEADWATER_BACKGROUND_ABANDONED', why: 'full' }]])
    await backgroundSettled()
    expect([most, done]).toEqual([2, 5])
  })

  test('P12: what takes too long gets its signal aborted and gives up its place, also when it does not listen', async () => {
    configureBackground({ concurrency: 1 })
    let reason: unknown
    let hasNextRun = false
    const release = new AbortController()
    inBackground(
      (signal) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return new Promise((resolve) => release.signal.addEventListener('abort', resolve))
      },
      { timeoutMillis: 10, name: 'deaf' },
    )
    inBackground(() => {
      hasNextRun = true
    })
    await backgroundSettled()
    expect([hasNextRun, reason]).toEqual([true, expect.any(BackgroundAbandoned)])
    expect(failures).toEqual([['deaf', reason]])
    release.abort()
  })

  test('P12: a value that is wrong is refused at once, and says what was expected', () => {
    for (const options of [{ concurrency: 0 }, { queueLimit: 1.5 }, { timeoutMillis: -1 }, { timeoutMillis: 2 ** 31 }])
      expect(() => configureBackground(options)).toThrow(OptionsInvalid)
    expect(() => inBackground(() => 1, { timeoutMillis: Number.NaN })).toThrow('expected a whole number from 1')
    expect(() => inBackground(() => 1, { onError: 'log' as never })).toThrow('expected a function')
  })
})

describe('P12: its failure is told', () => {
  test('P12: to the handler of the work, else to that of the process; to the caller never', async () => {
    const own: unknown[] = []
    inBackground(() => Promise.reject(new Error('it rejects')), { onError: (error) => own.push(error) })
    inBackground(
      () => {
        throw new Error('it throws')
      },
      { name: 'named' },
    )
    await backgroundSettled()
    expect(own).toEqual([new Error('it rejects')])
    expect(failures).toEqual([['named', new Error('it throws')]])
  })

  test('P12: on the channel, with what waits', async () => {
    const events: BackgroundEvent[] = []
    const note = (event: unknown) => void events.push(event as BackgroundEvent)
    diagnostics.background.subscribe(note)
    try {
      configureBackground({ concurrency: 1 })
      inBackground(() => 1, { name: 'first' })
      inBackground(() => Promise.reject(new Error('no')), { name: 'second' })
      await backgroundSettled()
    } finally {
      diagnostics.background.unsubscribe(note)
    }
    expect(events).toEqual([
      { outcome: 'done', name: 'first', error: undefined, waiting: 1 },
      { outcome: 'failed', name: 'second', error: new Error('no'), waiting: 0 },
    ])
  })
})

test('P12: two loaded copies of core share one queue', async () => {
  vi.resetModules()
  const copy = await import('@headwater/core')
  expect(copy.inBackground).not.toBe(inBackground)
  let isDone = false
  copy.inBackground(async () => {
    await sleep(5)
    isDone = true
  })
  await backgroundSettled()
  expect(isDone).toBe(true)
})
