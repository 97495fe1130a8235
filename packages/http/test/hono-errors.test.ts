import * as core from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { headwater } from '@headwater/http/hono'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const options = { pool: { topology: away }, secret: 'a secret of these tests', retryAfterSeconds: 7 }

// First, while nobody in this file has called headwater().
test('importing the middleware changes no error', () => {
  expect(new core.ReplayImpossible('at-home')).not.toHaveProperty('getResponse')
})

describe('an error that no app catches, in Hono', () => {
  const printed = vi.spyOn(console, 'error')

  beforeEach(() => {
    printed.mockReset().mockImplementation(() => {})
  })

  afterEach(() => {
    vi.resetModules()
  })

  afterAll(() => printed.mockRestore())

  /** What a client gets when a handler throws this, and how often Hono has printed something. */
  async function answerTo(thrown: () => unknown, skip = false): Promise<readonly unknown[]> {
    const app = new Hono()
    app.use(headwater({ ...options, skip: () => skip }))
    app.get('/', () => {
      throw thrown()
    })
    const response = await app.request('/', { headers: { 'fly-request-id': '1' } })
    const { status, headers } = response
    return [status, headers.get('retry-after'), await response.text(), printed.mock.calls.length]
  }

  const unavailable = (): Error => new core.PrimaryUnavailable(new Error('connect'))

  test('P3: a replay that is met late is the answer, and is not printed', async () => {
    const late = () => core.currentScope()?.askForReplay(away, 'write')
    expect(await answerTo(late)).toEqual([409, null, '', 0])
  })

  test.each<readonly [core.ReplayBlocker, number, string | null]>([
    ['at-home', 503, '1'],
    ['no-request', 500, null],
    ['response-started', 500, null],
    ['already-replayed', 503, '1'],
    ['body-too-large', 413, null],
    ['forbidden', 500, null],
    ['replay-failed', 503, '1'],
  ])('P4: the obstacle %s is a %i, and is not printed', async (blocker, status, retryAfter) => {
    // A client can do something about its body.
    const text = status === 413 ? expect.stringMatching(/over the proxy's limit/) : ''
    expect(await answerTo(() => new core.ReplayImpossible(blocker))).toEqual([status, retryAfter, text, 0])
  })

  test('P8: a refusal in a request says after how many seconds to come back', async () => {
    const refused = () => {
      core.currentScope()?.blockReplay('replay-failed')
      return core.currentScope()?.askForReplay(away, 'write')
    }
    expect(await answerTo(refused)).toEqual([503, '7', '', 0])
  })

  test('P10: a primary out of service is a 503, also in a request that the app skips', async () => {
    expect(await answerTo(unavailable)).toEqual([503, '1', 'Service Unavailable', 0])
    expect(await answerTo(unavailable, true)).toEqual([503, '1', 'Service Unavailable', 0])
  })

  test("P10: inside an ORM's wrapper it is a 503 too; Hono prints what it does not know", async () => {
    const wrapped = () => new Error('query failed', { cause: unavailable() })
    expect(await answerTo(wrapped)).toEqual([503, '1', 'Service Unavailable', 1])
  })

  test('P10: an error of another loaded copy of core is answered as one of this copy', async () => {
    vi.resetModules()
    const copy = await import('@headwater/core')
    expect(copy.PrimaryUnavailable).not.toBe(core.PrimaryUnavailable)
    const unavailableThere = () => new copy.PrimaryUnavailable(new Error('connect'))
    expect(await answerTo(unavailableThere)).toEqual([503, '1', 'Service Unavailable', 0])
    expect(await answerTo(() => new copy.ReplayImpossible('replay-failed'))).toEqual([503, '1', '', 0])
    expect(await answerTo(unavailable)).toEqual([503, '1', 'Service Unavailable', 0])
  })

  test('any other error of ours is printed, and is a 500', async () => {
    expect(await answerTo(() => new core.WriteOnReplica('no'))).toEqual([500, null, 'Internal Server Error', 1])
  })

  test('the method shows nowhere: neither among the fields nor in a copy of them', () => {
    headwater(options)
    const error = unavailable()
    expect(error).toHaveProperty('getResponse')
    const shown: string[] = []
    for (const field in error) shown.push(field)
    expect(shown.sort()).toEqual(['code', 'expose', 'headers', 'retryable', 'status', 'statusCode'])
  })
})
