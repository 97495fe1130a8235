import { backgroundSettled, inBackground } from '@headwater/core'
import { expect, test, vi } from 'vitest'

// A file of its own, which is a process of its own: warnings are said once, and a handler stays for good.

test('P12: without a handler a failure is a warning, once for each outcome, with no text of a database in it', async () => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const fail = () => Promise.reject(Object.assign(new Error('a secret value'), { code: '23505' }))
  inBackground(fail, { name: 'last seen' })
  inBackground(fail)
  inBackground(() => new Promise(() => undefined), { timeoutMillis: 5 })
  inBackground(() => new Promise(() => undefined), { timeoutMillis: 5 })
  await backgroundSettled()
  const warnings = emitWarning.mock.calls.map(([text]) => String(text))
  expect(warnings).toEqual([
    expect.stringContaining('background work (last seen) has failed: Error 23505.'),
    expect.stringContaining('more than 5 ms'),
  ])
  expect(warnings.join()).not.toContain('a secret value')
})
