import { describe, expect, it } from 'vitest'
import { ReadPace } from '../src/driver/prepare/read-pace.ts'

const USUAL = 0.2

function proven(): ReadPace {
  const pace = new ReadPace()
  for (let run = 0; run < 3; run += 1) pace.ranAlone(1, USUAL)
  return pace
}

function runs(pace: ReadPace, count: number, millis: number, from: number): void {
  for (let run = 0; run < count; run += 1) pace.ranShared(millis, USUAL, from + run)
}

describe('S4: a text', () => {
  it('counts as fast after three small runs, and not before', () => {
    const pace = new ReadPace()
    pace.ranAlone(1, USUAL)
    pace.ranAlone(1, USUAL)
    pace.ranAlone(10, USUAL)
    expect(pace.isFast(0)).toBe(false)
    pace.ranAlone(1, USUAL)
    expect(pace.isFast(0)).toBe(true)
  })

  it('is measured by its server: far away all answers take their time', () => {
    const pace = new ReadPace()
    for (let run = 0; run < 3; run += 1) pace.ranAlone(81, 80)
    expect(pace.isFast(0)).toBe(true)
    pace.ranShared(82, 80, 0)
    expect(pace.isFast(0)).toBe(true)
  })

  it('leaves with its first very slow run, and with its second slow one', () => {
    const [very, twice] = [proven(), proven()]
    very.ranShared(20, USUAL, 1_000)
    twice.ranShared(8, USUAL, 1_000)
    expect([very.isFast(1_000), twice.isFast(1_000)]).toEqual([false, true])
    twice.ranShared(8, USUAL, 2_000)
    expect(twice.isFast(2_000)).toBe(false)
  })

  it('must be measured again when its time is over, and keeps out twice as long when it soon leaves again', () => {
    const pace = proven()
    pace.ranShared(20, USUAL, 1_000)
    expect([pace.isFast(2_000), pace.isUnproven]).toEqual([false, true])
    for (let run = 0; run < 3; run += 1) pace.ranAlone(1, USUAL)
    expect([pace.isFast(1_999), pace.isFast(2_000)]).toEqual([false, true])
    pace.ranShared(20, USUAL, 2_000)
    for (let run = 0; run < 3; run += 1) pace.ranAlone(1, USUAL)
    expect([pace.isFast(3_999), pace.isFast(4_000)]).toEqual([false, true])
    pace.ranShared(20, USUAL, 100_000)
    for (let run = 0; run < 3; run += 1) pace.ranAlone(1, USUAL)
    expect([pace.isFast(100_999), pace.isFast(101_000)]).toEqual([false, true])
  })

  it('stays when it is slow now and then, and leaves when more than one run in 64 is', () => {
    const pace = proven()
    for (let round = 0; round < 100; round += 1) {
      runs(pace, 99, 0.3, round * 1_000)
      pace.ranShared(8, USUAL, round * 1_000 + 500)
    }
    expect(pace.isFast(100_000)).toBe(true)
    for (let round = 0; round < 20; round += 1) {
      runs(pace, 20, 0.3, 200_000 + round * 1_000)
      pace.ranShared(8, USUAL, 200_000 + round * 1_000 + 500)
    }
    expect(pace.isFast(220_000)).toBe(false)
  })

  it('pays once for a moment in which everything was slow', () => {
    const pace = proven()
    runs(pace, 256, 0.3, 0)
    for (let lane = 0; lane < 4; lane += 1) pace.ranShared(30, USUAL, 1_000 + lane)
    expect(pace.isFast(1_010)).toBe(true)
  })
})
