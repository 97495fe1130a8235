import { type Position, toLsn } from '@headwater/core/internal'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LastPosition } from '../src/fleet/last-position.ts'

const NOW = 1_790_000_000_000

/** A primary that answers when told to. */
class Answering {
  questions = 0
  #answer: ((position: Position | Error) => void) | undefined

  whereIsPrimary(): Promise<Position> {
    this.questions += 1
    return new Promise((resolve, reject) => {
      this.#answer = (position) => (position instanceof Error ? reject(position) : resolve(position))
    })
  }

  async answer(lsn: bigint | Error): Promise<void> {
    this.#answer?.(lsn instanceof Error ? lsn : { cluster: 7n, timeline: 1, lsn: toLsn(lsn) })
    await vi.advanceTimersByTimeAsync(0)
  }
}

beforeEach(() => void vi.useFakeTimers({ now: NOW }))
afterEach(() => void vi.useRealTimers())

test('F5: the position is known for times before the primary was asked, not for those after', async () => {
  const source = new Answering()
  const last = new LastPosition(source)
  expect(last.since(NOW)).toBeUndefined()
  vi.setSystemTime(NOW + 500)
  await source.answer(5n)
  expect(last.since(NOW)).toEqual({ cluster: 7n, timeline: 1, lsn: 5n, node: 0 })
  // It was on its way when the primary took its position.
  expect(last.since(NOW + 1)).toBeUndefined()
})

test('P7: clients make it ask once at a time, and once a second at most', async () => {
  const source = new Answering()
  const last = new LastPosition(source)
  for (let millis = 0; millis < 5000; millis += 10) {
    vi.setSystemTime(NOW + millis)
    last.since(NOW + millis)
  }
  expect(source.questions).toBe(1)
  await source.answer(new Error('gone'))
  for (let millis = 5000; millis < 10_000; millis += 10) {
    vi.setSystemTime(NOW + millis)
    last.since(NOW + millis)
    await source.answer(5n)
  }
  expect(source.questions).toBe(6)
  last.since(NOW + 60_000)
  expect(source.questions).toBe(6)
})
