import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gateResponse } from '../src/response/response-gate.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'
import { SlowKeeper } from './slow-keeper.ts'

describe('whatever a handler does', () => {
  type Step = 'write' | 'write empty' | 'head' | 'flush' | 'cork' | 'uncork' | 'tick' | 'wait' | 'release'
  const step = fc.constantFrom<Step>(
    'write',
    'write empty',
    'head',
    'flush',
    'cork',
    'uncork',
    'tick',
    'wait',
    'release',
  )

  /** Follows the steps, and returns all that it could see of the response, error codes included. */
  async function follow(steps: readonly Step[], response: ServerResponse, release: () => void): Promise<unknown[]> {
    const seen: unknown[] = []
    const called: string[] = []
    let corked = 0
    const deeds: Record<Step, (at: number) => unknown> = {
      write: (at) => response.write(`${at};`, () => called.push(`wrote ${at}`)),
      'write empty': () => response.write(''),
      head: (at) => response.writeHead(200 + at, { 'x-at': at }),
      flush: () => response.flushHeaders(),
      cork: () => {
        corked += 1
        response.cork()
      },
      uncork: () => {
        if (corked > 0) response.uncork()
        corked = Math.max(0, corked - 1)
      },
      tick: () => new Promise((resolve) => setImmediate(resolve)),
      wait: () => new Promise((resolve) => setTimeout(resolve, 2)),
      release: () => release(),
    }
    for (const [at, name] of steps.entries()) {
      try {
        await deeds[name](at)
      } catch (error) {
        seen.push(Reflect.get(Object(error), 'code'))
      }
      seen.push(response.headersSent, response.writableEnded)
    }
    for (; corked > 0; corked -= 1) response.uncork()
    response.end('end', () => called.push('ended'))
    seen.push(response.headersSent, response.writableEnded)
    release()
    if (!response.writableFinished) await once(response, 'finish')
    // Nobody promises when callbacks run; their order is promised.
    return [...seen, ...called]
  }

  interface Answered {
    /** Whether the keeper captures a position; else only the body can make the head wait. */
    readonly captures: boolean
    readonly isDeclared: boolean
  }

  async function answer(
    steps: readonly Step[],
    { captures, isDeclared }: Answered,
    isGated: boolean,
  ): Promise<unknown> {
    const keeper = new SlowKeeper()
    keeper.mustCapturePosition = captures
    let seen: Promise<unknown[]> = Promise.resolve([])
    const server = createServer((_request, response) => {
      if (isDeclared) response.setHeader('content-length', lengthOf(steps))
      if (isGated) gateResponse(response, keeper)
      seen = follow(steps, response, () => keeper.finish())
    })
    await using running = await listen(server)
    const { status, text, headers } = await send(running.port, '/')
    const { date: _, 'set-cookie': cookies, 'headwater-token': __, ...rest } = headers
    expect(cookies).toEqual(isGated ? ['headwater=1'] : undefined)
    return { status, text, rest, seen: await seen }
  }

  /** What `follow` writes in all. */
  function lengthOf(steps: readonly Step[]): number {
    return steps.reduce((sum, name, at) => (name === 'write' ? sum + `${at};`.length : sum), 'end'.length)
  }

  test('P11: a held response looks and arrives as a plain one does', async () => {
    const how = fc.record({
      captures: fc.boolean(),
      isDeclared: fc.boolean(),
    })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), how, async (steps, given) => {
      expect(await answer(steps, given, true)).toEqual(await answer(steps, given, false))
    })
    await fc.assert(property, { numRuns: 250 })
  })
})
