import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { currentScope, ReplayImpossible, type Topology } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import {
  createLifecycle,
  type HeadwaterOptions,
  type Lifecycle,
  openNodeRequest,
  type RequestLife,
  type ResponseHead,
} from '@headwater/http/adapter'
import { afterEach, describe, expect, test } from 'vitest'
import { Primary } from '../src/testing/primary.ts'

const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })

function lifecycleAt(topology: Topology, options: Partial<HeadwaterOptions> = {}): Lifecycle {
  return createLifecycle({ pool: { topology }, secret: 'long enough to be a secret', ...options })
}

function open(lifecycle: Lifecycle, method = 'GET'): RequestLife {
  const header = (name: string): string | undefined => (name === 'fly-request-id' ? '1' : undefined)
  const life = lifecycle.open({ method, url: '/thing', header, isSecure: false })
  if (life === undefined) throw new Error('the request was skipped')
  return life
}

interface PlainHead extends ResponseHead {
  readonly cookies: string[]
}

function headOf(status = 200): PlainHead {
  const cookies: string[] = []
  const [get, set, setStatus] = [() => undefined, () => {}, () => {}]
  return { status, cookies, get, set, setStatus, addCookie: (cookie) => cookies.push(cookie) }
}

const askForReplay = async (): Promise<never> => {
  throw currentScope()?.askForReplay(away, 'write') ?? new Error('there is no scope here')
}
const pass = async (): Promise<void> => {}

describe('run() and respond()', () => {
  test('P3: a replay is the answer, and the error of the handler is swallowed', async () => {
    const life = open(lifecycleAt(away))
    await life.run(askForReplay)
    const head = headOf(500)
    expect(await life.respond(head)).toMatchObject({ status: 409 })
    expect(head.cookies).toEqual([])
  })

  test('P5: a handler that is replayed before any work never runs', async () => {
    const life = open(lifecycleAt(away), 'POST')
    await life.run(() => expect.unreachable('it ran'))
    expect(await life.respond(headOf())).toMatchObject({ status: 409 })
  })

  test('F2: nothing waits in a request that only reads', async () => {
    const life = open(lifecycleAt(home))
    await life.run(pass)
    expect(life.respond(headOf())).toBeUndefined()
  })

  test('F1: a request that wrote waits for the position, and its head gets the token', async () => {
    const life = open(lifecycleAt(home))
    await life.run(() => new Primary().write())
    const head = headOf()
    const responding = life.respond(head)
    expect(responding).toBeInstanceOf(Promise)
    expect(await responding).toBeUndefined()
    expect(head.cookies).toEqual([expect.stringMatching(/^headwater\./)])
  })

  test('P4: after respond() a replay comes too late', async () => {
    const life = open(lifecycleAt(away))
    await life.run(pass)
    expect(life.respond(headOf())).toBeUndefined()
    expect(life.scope.askForReplay(away, 'write')).toMatchObject({ blocker: 'response-started' })
  })

  test("a Headwater error comes out of an ORM's wrapper, and any other error passes", async () => {
    const own = new ReplayImpossible('forbidden')
    const fail = (error: unknown) => async () => {
      throw error
    }
    await expect(open(lifecycleAt(home)).run(fail(new Error('query failed', { cause: own })))).rejects.toBe(own)
    const other = new RangeError('its own')
    await expect(open(lifecycleAt(home)).run(fail(other))).rejects.toBe(other)
  })

  test('P7: only the app skips a request', () => {
    const lifecycle = lifecycleAt(home, { skip: ({ url }) => url === '/health' })
    const openOf = (url: string) => lifecycle.open({ method: 'GET', url, header: () => 'x', isSecure: false })
    expect([openOf('/health'), openOf('/other')]).toEqual([undefined, expect.anything()])
  })
})

describe('an adapter with a mistake', () => {
  const misused = expect.objectContaining({ code: 'HEADWATER_ADAPTER_MISUSED' })
  const warnings: Error[] = []
  const listen = (warning: Error): void => {
    warnings.push(warning)
  }
  afterEach(() => {
    process.off('warning', listen)
    warnings.length = 0
  })

  test('is told at once of a step that comes too early, too late or twice', async () => {
    const life = open(lifecycleAt(home))
    expect(() => life.respond(headOf())).toThrow(misused)
    await life.run(pass)
    await expect(life.run(pass)).rejects.toThrow(misused)
    await life.respond(headOf())
    expect(() => life.respond(headOf())).toThrow(misused)
    await expect(life.run(pass)).rejects.toThrow(misused)
  })

  test('is warned, once, when it never calls respond()', async () => {
    process.on('warning', listen)
    const lifecycle = lifecycleAt(home)
    for (let round = 0; round < 99; round++) await open(lifecycle).run(pass)
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
    for (let round = 0; round < 101; round++) await open(lifecycle).run(pass)
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([expect.objectContaining({ code: 'HEADWATER_NO_RESPOND' })])
  })

  test('is not warned when it calls respond() each time', async () => {
    process.on('warning', listen)
    const lifecycle = lifecycleAt(home)
    for (let round = 0; round < 300; round++) {
      const life = open(lifecycle)
      await life.run(pass)
      await life.respond(headOf())
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  })

  test('is told at once that a lifecycle of its own making is none', () => {
    const request = new IncomingMessage(new Socket())
    const response = new ServerResponse(request)
    expect(() => openNodeRequest({ open: () => undefined }, request, response)).toThrow(misused)
  })
})
