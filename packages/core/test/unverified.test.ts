import { expect, test, vi } from 'vitest'
import { diagnostics, runWithToken } from '../src/index.ts'
import { forgetWarnings, reportUnverified, signToken, toLsn } from '../src/internal.ts'

test('F3: another secret is warned of once per process, and each case is published', async () => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const events: unknown[] = []
  const note = (message: unknown): void => void events.push(message)
  diagnostics.unverified.subscribe(note)
  try {
    const now = Date.now()
    const token = { cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: now, expires: now + 60_000 }
    const job = (text: string) => runWithToken(text, async () => 'ran', { secret: 'the secret of another region' })
    for (const text of ['', 'forged', signToken(token, ['the secret of another region'])]) await job(text)
    expect([events, emitWarning.mock.calls]).toEqual([[], []])
    expect(await job(signToken(token, ['the secret of this region']))).toBe('ran')
    for (let times = 0; times < 1000; times++) reportUnverified('cookie')
  } finally {
    diagnostics.unverified.unsubscribe(note)
    emitWarning.mockRestore()
  }
  expect(events).toHaveLength(1001)
  expect(events.slice(0, 2)).toEqual([
    { carrier: "job's token", count: 1 },
    { carrier: 'cookie', count: 2 },
  ])
})

test('F3: that warning has a code, says what to do, and shows no secret', () => {
  forgetWarnings()
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  for (let times = 0; times < 3; times++) reportUnverified('replay state')
  expect(emitWarning.mock.calls).toEqual([
    [
      expect.stringMatching(/^a replay state of Headwater's form .* the same HEADWATER_SECRET/),
      { type: 'HeadwaterWarning', code: 'HEADWATER_SECRETS_DIFFER' },
    ],
  ])
  emitWarning.mockRestore()
})
