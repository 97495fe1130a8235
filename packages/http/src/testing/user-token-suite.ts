import { currentScope, runInScope, type Scope, see } from '@headwater/core'
import { type ReadPosition, signToken, toLsn, UNKNOWN_POSITION } from '@headwater/core/internal'
import { expect, test } from 'vitest'
import type { RequestFacts } from '../request/request-facts.ts'
import type { TokenCarrierOptions } from '../token/token-options.ts'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askAtHomeThrough, askThrough } from './ask.ts'
import { away, expectReplay, SECRET, write } from './data-layer.ts'
import { Primary } from './primary.ts'
import { cookieOf, stateIn, stateOf, tokenOf } from './token-text.ts'

/** An app's own store: a set of tokens for each user. Slow, so that whoever does not wait for it is found out. */
class Tokens {
  readonly byUser = new Map<string, Set<string>>()
  /** What was asked of it, in order. */
  readonly calls: string[] = []
  delayMillis = 15
  isGone = false

  readonly options: Pick<TokenCarrierOptions, 'load' | 'save'> = {
    load: async (request) => {
      const user = await this.#asked('load', request)
      return user === undefined ? undefined : [...(this.byUser.get(user) ?? [])]
    },
    save: async (request, token, covered) => {
      const user = await this.#asked('save', request)
      if (user === undefined) return
      const tokens = this.byUser.get(user) ?? new Set()
      this.byUser.set(user, tokens.add(token))
      for (const one of covered) tokens.delete(one)
    },
  }

  statesOf(user: string): (ReadPosition | undefined)[] {
    return [...(this.byUser.get(user) ?? [])].map(stateOf)
  }

  async #asked(action: string, { header }: RequestFacts): Promise<string | undefined> {
    this.calls.push(action)
    await new Promise((resolve) => setTimeout(resolve, this.delayMillis))
    if (this.isGone) throw new Error('the store is gone')
    return header('x-user')
  }
}

/** Tokens that the app brings: by `see()`, and from a store of its own by user (F8). */
export function testTokensOfUsers(adapter: HttpAdapter): void {
  const ask = askAtHomeThrough(adapter)
  const floor = async (): Promise<Outcome> => ({ json: String(currentScope()?.session.seen?.lsn) })
  const ana = { headers: { 'x-user': 'ana' } }

  test('F8: a token that the app brings into a request counts from there on, and the answer carries it on', async () => {
    const floors: unknown[] = []
    const handle = async (): Promise<Outcome> => {
      floors.push(see('forged', { secret: SECRET }), see(tokenOf(8n), { secret: SECRET }))
      floors.push(currentScope()?.session.seen?.lsn)
      return { json: 'read', headers: { 'cache-control': 'public, max-age=60' } }
    }
    const sent = await ask(handle)
    expect([floors, stateIn(sent)?.lsn, sent.headers['cache-control']]).toEqual([
      [false, true, 8n],
      8n,
      'private, max-age=60',
    ])
    const own = cookieOf(tokenOf(9n))
    const later = await ask(handle, { headers: { cookie: own } })
    expect([floors.at(-1), later.headers['set-cookie']]).toEqual([9n, undefined])
    const older = await ask(handle, { headers: { cookie: cookieOf(tokenOf(5n)) } })
    expect(older.headers['set-cookie']?.[0]?.startsWith(cookieOf(tokenOf(8n)).slice(0, 18))).toBe(true)
  })

  test('F8: what one client of a user wrote, another one sees: the store is asked before the handler, and has saved before the head', async () => {
    const [primary, tokens] = [new Primary(), new Tokens()]
    const expired = { ...primary.state, issuedAt: Date.now() - 60_000, expires: Date.now() - 1 }
    tokens.byUser.set('ana', new Set([signToken(expired, [SECRET])]))
    const options = { token: { cookie: false, header: false, ...tokens.options } } as const
    const wrote = await ask(async () => ({ json: await primary.write() }), ana, options)
    expect([wrote.text, wrote.headers['set-cookie'], wrote.headers['headwater-token']]).toEqual([
      '"written"',
      undefined,
      undefined,
    ])
    expect(tokens.statesOf('ana')).toEqual([primary.state])
    expect((await ask(floor, ana, options)).text).toBe('"100"')
    expect((await ask(floor, { headers: { 'x-user': 'ben' } }, options)).text).toBe('"undefined"')
    expect(tokens.calls).toEqual(['load', 'save', 'load', 'load'])
    primary.lsn = 200n
    await ask(async () => ({ json: await primary.write() }), ana, options)
    // The new one says all that the old one did.
    expect(tokens.statesOf('ana')).toEqual([primary.state])
  })

  test('F8: two writes of one user that save at once are both kept', async () => {
    const [tokens, one, other] = [new Tokens(), new Primary(), new Primary()]
    other.lsn = 300n
    await using app = await adapter.start({
      options: { pool: { topology: { ...away, isAtHome: true } }, secret: SECRET, token: tokens.options },
      routes: [
        { method: 'GET', path: '/one', handle: async () => ({ json: await one.write() }) },
        { method: 'GET', path: '/other', handle: async () => ({ json: await other.write() }) },
        { method: 'GET', path: '/floor', handle: floor },
      ],
    })
    const get = (path: string) => fetch(`http://127.0.0.1:${app.port}${path}`, ana).then((answer) => answer.text())
    await Promise.all([get('/other'), get('/one')])
    expect([tokens.statesOf('ana').length, await get('/floor')]).toEqual([2, '"300"'])
  })

  test('F8: a write that ends while the store saves is saved too, and is in the cookie', async () => {
    const [primary, tokens] = [new Primary(), new Tokens()]
    let scope: Scope | undefined
    const writeOnce = async (): Promise<void> => {
      if (scope === undefined) return
      const own = scope
      scope = undefined
      primary.lsn = 300n
      await runInScope(own, () => primary.write())
    }
    const { load, save } = tokens.options
    const saving: TokenCarrierOptions = {
      load,
      save: async (...said) => {
        await writeOnce()
        await save?.(...said)
      },
    }
    const handle = async (): Promise<Outcome> => {
      scope = currentScope()
      return { json: await primary.write() }
    }
    const sent = await ask(handle, ana, { token: saving })
    expect([stateIn(sent), tokens.statesOf('ana').at(-1)]).toEqual([primary.state, primary.state])
    expect(tokens.calls).toEqual(['load', 'save', 'save'])
  })

  test('F8: beside cookie and header: what the store has is not said again, and a mark of a replica is not stored', async () => {
    const tokens = new Tokens()
    tokens.byUser.set('ana', new Set([tokenOf(8n)]))
    const handle = async (): Promise<Outcome> => {
      currentScope()?.session.readAtReplica({ cluster: 7n, timeline: 1, lsn: toLsn(50n), node: 3 })
      return { json: 'read' }
    }
    const nothing = await ask(floor, ana, { token: tokens.options })
    expect([nothing.text, stateIn(nothing)]).toEqual(['"8"', undefined])
    const read = await ask(handle, ana, { token: tokens.options })
    expect(stateIn(read)).toMatchObject({ lsn: 8n, node: 3 })
    expect(tokens.calls).toEqual(['load', 'load'])
  })

  test('F8: a store that fails or hangs is told of, and costs no answer: the request reads at the primary', async () => {
    const tokens = new Tokens()
    tokens.isGone = true
    const warned: string[] = []
    // Each logger is told once: so is each of the three apps.
    const telling = () => ({ info: () => undefined, warn: (message: string) => warned.push(message) })
    const seen = async (): Promise<Outcome> => ({ json: currentScope()?.session.seen === UNKNOWN_POSITION })
    const failing = await ask(seen, ana, { token: tokens.options, logger: telling() })
    expect([failing.status, failing.text, stateIn(failing)]).toEqual([200, 'true', undefined])
    const primary = new Primary()
    const wrote = await ask(async () => ({ json: await primary.write() }), ana, {
      token: tokens.options,
      logger: telling(),
    })
    expect([wrote.text, stateIn(wrote)]).toEqual(['"written"', primary.state])
    const hang = new Promise<undefined>(() => {})
    const hanging = { load: () => hang, save: () => hang, storeTimeoutMillis: 30 }
    const held = await ask(async () => ({ json: await primary.write() }), ana, { token: hanging, logger: telling() })
    expect([held.text, stateIn(held)]).toEqual(['"written"', primary.state])
    // For each of the three apps, and each of its functions, once.
    expect(warned.filter((message) => message.includes('HEADWATER_TOKEN_STORE'))).toHaveLength(5)
  })

  test('F8: a request that is replayed before any work asks no store, and one that is replayed later saves nothing', async () => {
    const tokens = new Tokens()
    const { askOnce } = askThrough(adapter)
    const handle = async (): Promise<Outcome> => ({ json: await write(away) })
    const options = { token: tokens.options, earlyReplay: true }
    expectReplay(await askOnce({ method: 'POST', handle }, { ...ana, body: '{}' }, { options }))
    expect(tokens.calls).toEqual([])
    expectReplay(await askOnce({ handle }, ana, { options }))
    expect(tokens.calls).toEqual(['load'])
  })

  test('F8: the body of a request is whole behind a store that takes its time', async () => {
    const { askOnce } = askThrough(adapter)
    const topology = { ...away, isAtHome: true }
    const body = JSON.stringify({ text: 'x'.repeat(200_000) })
    const sent = await askOnce(
      { method: 'POST', handle: async (parsed) => ({ json: JSON.stringify(parsed).length }) },
      { ...ana, body },
      { options: { token: new Tokens().options }, topology, parsesBody: 'after' },
    )
    expect([sent.status, sent.text]).toEqual([200, String(body.length)])
  })
}
