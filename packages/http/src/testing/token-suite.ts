import { currentScope } from '@headwater/core'
import { toLsn, UNKNOWN_POSITION } from '@headwater/core/internal'
import { expect, test } from 'vitest'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askAtHomeThrough } from './ask.ts'
import { Primary } from './primary.ts'
import { cookieOf, deletionOf, stateIn, tokenOf } from './token-text.ts'

/** Tokens are read from both carriers, and set on answers that wrote. */
export function testTokens(adapter: HttpAdapter): void {
  const ask = askAtHomeThrough(adapter)

  test("F1: the answer to a request that wrote carries a token, for one client only; the app's cookies stay", async () => {
    const primary = new Primary()
    const headers = { 'set-cookie': 'own=1', 'cache-control': 'public, max-age=60', vary: 'Accept' }
    const sent = await ask(async () => ({ json: await primary.write(), headers }))
    expect([sent.status, sent.text, stateIn(sent), primary.asked]).toEqual([200, '"written"', primary.state, 1])
    expect(sent.headers['set-cookie']).toHaveLength(2)
    expect(sent.headers['set-cookie']).toContain('own=1')
    expect([sent.headers['cache-control'], sent.headers['vary']]).toEqual(['private, max-age=60', 'Accept'])
  })

  test('P7: the headers of a handshake do not switch tokens off: an answer to a write carries one', async () => {
    const primary = new Primary()
    const headers = { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    for (const more of [{}, { connection: 'upgrade' }]) {
      const sent = await ask(async () => ({ json: await primary.write() }), { headers: { ...headers, ...more } })
      expect([sent.status, sent.text, stateIn(sent)]).toEqual([200, '"written"', primary.state])
    }
  })

  test('F2: when COMMIT returns the position, the primary is not asked again', async () => {
    const primary = new Primary()
    primary.reportsWithCommit = true
    const sent = await ask(async () => ({ json: await primary.write() }))
    expect([stateIn(sent), primary.asked]).toEqual([primary.state, 0])
  })

  test('F1: the answer to a request that only read carries no token and is left as it is', async () => {
    const headers = { 'cache-control': 'public, max-age=60' }
    const sent = await ask(async () => ({ json: 'read', headers }))
    expect([stateIn(sent), sent.headers['set-cookie'], sent.headers['vary']]).toEqual([undefined, undefined, undefined])
    expect(sent.headers['cache-control']).toBe('public, max-age=60')
  })

  test('F1: a scope begins with what cookie and header say; when nothing changes, no cookie is set', async () => {
    const floors: unknown[] = []
    const handle = async (): Promise<Outcome> => {
      const session = currentScope()?.session
      floors.push([session?.minPosition?.lsn, session?.isTracked, session?.isWanted])
      return { json: 'read' }
    }
    const [low, high] = [tokenOf(5n), tokenOf(6n)]
    const byCookie = await ask(handle, { headers: { cookie: `a=1; ${cookieOf(low)}; b=2` } })
    const byHeader = await ask(handle, { headers: { 'headwater-token': high } })
    await ask(handle, { headers: { cookie: cookieOf(low), 'headwater-token': high } })
    await ask(handle)
    expect(floors).toEqual([
      [5n, true, true],
      [6n, true, true],
      [6n, true, true],
      [undefined, false, true],
    ])
    expect([byCookie.headers['set-cookie'], byCookie.headers['headwater-token']]).toEqual([undefined, undefined])
    expect([byHeader.headers['set-cookie'], byHeader.headers['headwater-token']]).toEqual([undefined, high])
    expect([byCookie.headers['vary'], byHeader.headers['vary']]).toEqual(['Cookie', 'headwater-token'])
  })

  test('F1: several cookies, or several tokens in the header: all of them count, and one replaces them', async () => {
    const primary = new Primary()
    const floors: unknown[] = []
    const handle = async (): Promise<Outcome> => {
      floors.push(currentScope()?.session.minPosition?.lsn)
      return { json: await primary.write(), headers: { 'set-cookie': 'own=1' } }
    }
    // The token that says less was made first, and expires first.
    const low = cookieOf(tokenOf(5n))
    const pairs = [cookieOf(tokenOf(6n)), low]
    const byCookie = await ask(handle, { headers: { cookie: `a=1; ${pairs.join('; ')}` } })
    expect(stateIn(byCookie)).toEqual(primary.state)
    const [own, set, ...taken] = byCookie.headers['set-cookie'] ?? []
    expect([own, set?.startsWith('headwater.'), taken]).toEqual(['own=1', true, pairs.map(deletionOf)])
    // Two header lines, one of them with a list.
    const lines = [`${tokenOf(5n)}, ${tokenOf(8n)}`, tokenOf(7n)]
    expect(stateIn(await ask(handle, { headers: { 'headwater-token': lines } }))).toEqual(primary.state)
    expect(floors).toEqual([6n, 8n])
    const read = await ask(async () => ({ json: 'read' }), { headers: { cookie: pairs.join('; ') } })
    expect(read.headers['set-cookie']).toEqual([deletionOf(low)])
  })

  test('F5: a tracked client gets the mark of the replica that it read from', async () => {
    const handle = async (): Promise<Outcome> => {
      const session = currentScope()?.session
      session?.readAtReplica({ cluster: 7n, timeline: 1, lsn: toLsn(50n), node: 3 })
      return { json: 'read' }
    }
    expect(stateIn(await ask(handle))).toBeUndefined()
    const tracked = await ask(handle, { headers: { cookie: cookieOf(tokenOf(5n)) } })
    expect(stateIn(tracked)).toMatchObject({ lsn: 5n, node: 3 })
    expect(stateIn(await ask(handle, {}, { token: { trackReads: 'always' } }))).toMatchObject({ lsn: 0n, node: 3 })
  })

  test.each([
    ['forged', () => tokenOf(5n, 'another secret, as long')],
    ['truncated', () => tokenOf(5n).slice(1)],
    ['garbage', () => '%00"; headwater.AAAAAAAA=x'],
  ])('F3: one that is %s is as if absent', async (form, text) => {
    const handle = async (): Promise<Outcome> => ({ json: String(currentScope()?.session.minPosition) })
    const sent = await ask(handle, { headers: { cookie: `headwater.AAAAAAAA=${text()}`, 'headwater-token': text() } })
    expect([sent.status, sent.text, sent.headers['vary']]).toEqual([200, '"undefined"', undefined])
    const taken = deletionOf('headwater.AAAAAAAA=')
    // One that has the form of ours may be another instance's.
    expect(sent.headers['set-cookie']).toEqual(form === 'forged' ? undefined : [taken])
  })

  test('F2: when the primary cannot report its position, the token keeps reads at the primary', async () => {
    const primary = new Primary()
    primary.isGone = true
    const sent = await ask(async () => ({ json: await primary.write() }))
    expect([sent.status, stateIn(sent)]).toEqual([200, UNKNOWN_POSITION])
  })
}
