import { toLsn } from '@headwater/core/internal'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Waiters } from '../src/fleet/waiters.ts'

const at = (position: number) => toLsn(BigInt(position))

describe('callers that wait for one server', () => {
  let waiters: Waiters
  let told: [string, boolean][]
  let position: number
  let asked: number

  beforeEach(() => {
    vi.useFakeTimers()
    waiters = new Waiters()
    told = []
    position = 0
    asked = 0
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function wait(name: string, target: number | undefined, more: () => void = () => undefined): void {
    const isEnough = () => {
      asked += 1
      return position >= (target ?? 0)
    }
    const done = (isThere: boolean) => {
      told.push([name, isThere])
      more()
    }
    waiters.add({ isEnough, target: target === undefined ? undefined : at(target), done }, 1_000)
  }
  function sample(now: number): void {
    position = now
    waiters.sampled(at(now))
  }

  it('S3: those who wait for more are not asked, and each is told in its turn', () => {
    for (let target = 10; target < 1_010; target += 1) wait(`${target}`, target)
    for (let now = 0; now < 10; now += 1) sample(now)
    expect(asked).toBe(0)
    sample(11)
    sample(5)
    sample(12)
    expect(told).toEqual([
      ['10', true],
      ['11', true],
      ['12', true],
    ])
    expect(asked).toBe(3)
  })

  it('who waits for no position is asked after each sample, and all are where the server says none', () => {
    wait('any', undefined)
    wait('100', 100)
    sample(-0)
    expect(told).toEqual([['any', true]])
    position = 100
    waiters.sampled(undefined)
    expect(told).toEqual([
      ['any', true],
      ['100', true],
    ])
  })

  it('one that begins to wait while another is told is told at the next sample at the latest', () => {
    wait('first', 10, () => wait('second', 5))
    sample(10)
    sample(10)
    expect(told).toEqual([
      ['first', true],
      ['second', true],
    ])
  })

  it('each waits for a time of its own', () => {
    wait('10', 10)
    vi.advanceTimersByTime(1_000)
    wait('20', 20)
    sample(20)
    expect(told).toEqual([
      ['10', false],
      ['20', true],
    ])
  })
})
