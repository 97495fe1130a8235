import { currentScope, OptionsInvalid, see } from '@headwater/core'
import { UNKNOWN_POSITION } from '@headwater/core/internal'
import { type MessageOptions, scopePerMessage } from '@headwater/http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { Primary } from '../src/testing/primary.ts'
import { cookieOf, tokenOf } from '../src/testing/token-text.ts'

afterEach(() => {
  vi.useRealTimers()
})

const open = (headers: Record<string, string> = {}, options: MessageOptions = {}) =>
  scopePerMessage({ headers }, { secret: SECRET, ...options })
/** What the current message must see. */
const floor = () => currentScope()?.session.minPosition
/** Until what a message has left to do behind its answer is done. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 30))

describe('scopePerMessage', () => {
  test('P6: each message has a job of its own, and what it returns or throws is passed on', async () => {
    const inMessage = open()
    const scopes = [inMessage(() => currentScope()), inMessage(() => currentScope())]
    expect(scopes.map((scope) => scope?.kind)).toEqual(['job', 'job'])
    expect(scopes[0]).not.toBe(scopes[1])
    expect(await inMessage(async () => 'later')).toBe('later')
    expect(() =>
      inMessage(() => {
        throw new RangeError('its own')
      }),
    ).toThrow(RangeError)
    await expect(inMessage(() => Promise.reject(new RangeError('later')))).rejects.toThrow(RangeError)
    expect(currentScope()).toBeUndefined()
  })

  test('F1: it begins with the tokens of the handshake, in cookies or the header, of Node’s request or a web-standard one', () => {
    expect(open({ cookie: cookieOf(tokenOf(5n)) })(floor)?.lsn).toBe(5n)
    expect(open({ 'headwater-token': `${tokenOf(5n)}, ${tokenOf(6n)}` })(floor)?.lsn).toBe(6n)
    const request = new Request('http://127.0.0.1/', { headers: { 'headwater-token': tokenOf(7n) } })
    expect(scopePerMessage(request, { secret: SECRET })(floor)?.lsn).toBe(7n)
    expect(open()(floor)).toBeUndefined()
  })

  test('F3: what is forged is as if absent, and with `token: false` nothing is read', () => {
    expect(open({ 'headwater-token': tokenOf(5n, 'another secret, as long') })(floor)).toBeUndefined()
    expect(open({ 'headwater-token': tokenOf(5n) }, { token: false })(floor)).toBeUndefined()
    expect(() => open({}, { secret: 'short' })).toThrow(OptionsInvalid)
    expect(() => open({}, { token: { timeToLiveMillis: -1 } })).toThrow(OptionsInvalid)
  })

  test.each([true, false])(
    'F1: a message sees what the one before it wrote, and the primary is asked once, behind it (COMMIT brings it along: %s)',
    async (reportsWithCommit) => {
      const primary = Object.assign(new Primary(), { reportsWithCommit })
      const inMessage = open()
      await inMessage(() => primary.write())
      await settled()
      expect([inMessage(floor), primary.asked]).toEqual([primary.state, reportsWithCommit ? 0 : 1])
    },
  )

  test('F1: while the write of another message is under way, and until its position is known, only the primary will do', async () => {
    const primary = Object.assign(new Primary(), { writeMillis: 30, delayMillis: 30 })
    const inMessage = open()
    const writing = inMessage(() => primary.write())
    expect(inMessage(floor)).toEqual(UNKNOWN_POSITION)
    await writing
    expect(inMessage(floor)).toEqual(UNKNOWN_POSITION)
    await expect.poll(() => inMessage(floor)).toEqual(primary.state)
  })

  test('F1: messages that run at once lose nothing of each other', async () => {
    const [early, late] = [new Primary(), Object.assign(new Primary(), { lsn: 500n, writeMillis: 20 })]
    const inMessage = open()
    await Promise.all([inMessage(() => late.write()), inMessage(() => early.write())])
    await settled()
    expect(inMessage(floor)?.lsn).toBe(500n)
  })

  test('F2: a primary that does not say where it is keeps reads there until one does', async () => {
    const primary = Object.assign(new Primary(), { isGone: true })
    const inMessage = open()
    await inMessage(() => primary.write())
    await settled()
    expect(inMessage(floor)).toEqual(UNKNOWN_POSITION)
    primary.isGone = false
    await inMessage(() => primary.write())
    await settled()
    expect(inMessage(floor)).toEqual(primary.state)
  })

  test('F8: a token that a message brings counts for those after it', async () => {
    const inMessage = open()
    expect(inMessage(() => see(tokenOf(9n), { secret: SECRET }))).toBe(true)
    await settled()
    expect(inMessage(floor)?.lsn).toBe(9n)
  })

  test('F1: what was seen counts for as long as a token does', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const inMessage = open({ 'headwater-token': tokenOf(5n) }, { token: { timeToLiveMillis: 2_000 } })
    vi.advanceTimersByTime(1_900)
    expect(inMessage(floor)?.lsn).toBe(5n)
    vi.advanceTimersByTime(200)
    expect(inMessage(floor)).toBeUndefined()
  })

  test.each([
    ['with-token', undefined, true],
    ['always', 'always', true],
    ['never', 'never', false],
  ] as const)('F5: with trackReads %s what messages read counts as it does in requests', (_, trackReads, isTracked) => {
    const tracked = () => currentScope()?.session.isTracked
    const token = { trackReads }
    expect(open({ 'headwater-token': tokenOf(5n) }, { token })(tracked)).toBe(isTracked)
    expect(open({}, { token })(tracked)).toBe(trackReads === 'always')
  })
})
