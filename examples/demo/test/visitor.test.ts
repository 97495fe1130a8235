import { describe, expect, test } from 'vitest'
import { hasNote, Visitor } from '../src/visitor.ts'

describe('a visitor', () => {
  test('keeps cookies, the newest of a name, until they end', () => {
    const visitor = new Visitor()
    expect(visitor.cookie).toBeUndefined()
    visitor.keep(['headwater=one; Path=/; Max-Age=60; HttpOnly', 'theme=dark'])
    expect(visitor.cookie).toBe('headwater=one; theme=dark')
    visitor.keep(['headwater=two; Max-Age=60'])
    expect(visitor.cookie).toBe('headwater=two; theme=dark')
    visitor.keep(['headwater=; Max-Age=0'])
    expect(visitor.cookie).toBe('theme=dark')
  })
})

test('an own note is in a list that has it, and in one of newer notes only', () => {
  const list = (...ids: number[]) => ids.map((id) => ({ id: String(id) }))
  expect(hasNote(list(12, 11, 10), 11n)).toBe(true)
  expect(hasNote(list(17, 16, 15, 14, 13), 12n)).toBe(true)
  expect(hasNote(list(11, 10, 9), 12n)).toBe(false)
  // Written before the own note, and numbered behind it: this state is older all the same.
  expect(hasNote(list(13, 11, 10), 12n)).toBe(false)
  expect(hasNote([], 1n)).toBe(false)
})
