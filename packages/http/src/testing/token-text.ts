import { type ReadPosition, signToken, tokenName, toLsn, verifyToken } from '@headwater/core/internal'
import { expect } from 'vitest'
import { SECRET } from './data-layer.ts'
import type { Sent } from './send.ts'

/** What a token says was seen; `undefined` when it does not verify. */
export function stateOf(text: string | undefined): ReadPosition | undefined {
  const token = verifyToken(text, [SECRET], Date.now())
  return token && { cluster: token.cluster, timeline: token.timeline, lsn: token.lsn, node: token.node }
}

/** The token that an answer sets, in both carriers; `undefined` when it sets none. */
export function stateIn(sent: Sent): ReadPosition | undefined {
  const all = sent.headers['set-cookie'] ?? []
  const ours = all.filter((cookie) => cookie.startsWith('headwater.') && !cookie.includes('; Max-Age=0;'))
  const header = sent.headers['headwater-token']
  if (ours.length === 0) {
    expect(header).toBeUndefined()
    return undefined
  }
  expect(ours).toEqual([`${cookieOf(String(header))}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`])
  return stateOf(String(header))
}

/** A valid token for a position of the test's primary. */
export function tokenOf(lsn: bigint, secret: string = SECRET): string {
  const state: ReadPosition = { cluster: 7n, timeline: 1, lsn: toLsn(lsn), node: 0 }
  return signToken({ ...state, issuedAt: Date.now(), expires: Date.now() + 60_000 }, [secret])
}

/** The cookie that carries a token. */
export function cookieOf(text: string): string {
  const token = verifyToken(text, [SECRET], Date.now())
  if (token === undefined) throw new Error(`not a token: ${text}`)
  return `headwater.${tokenName(token, [SECRET])}=${text}`
}

/** The `Set-Cookie` that deletes a cookie. */
export function deletionOf(pair: string): string {
  return `${pair.slice(0, pair.indexOf('=') + 1)}; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`
}
