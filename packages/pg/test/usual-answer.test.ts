import { expect, it } from 'vitest'
import { UsualAnswer } from '../src/driver/prepare/usual-answer.ts'

function after(...times: readonly number[]): number {
  const answers = new UsualAnswer()
  for (const time of times) answers.measure(time)
  return answers.millis ?? Number.NaN
}

it('S4: the usual answer is the first one, before others', () => {
  expect(new UsualAnswer().millis).toBeUndefined()
  expect(after(3)).toBe(3)
})

it('S4: it follows a server that becomes slower or faster', () => {
  expect(after(1, ...Array(200).fill(9))).toBeGreaterThan(8)
  expect(after(9, ...Array(40).fill(1))).toBeLessThan(1.1)
})

it('S4: one slow statement hardly changes it', () => {
  expect(after(1, 10_000)).toBeLessThan(1.2)
})
