import { describe, expect, test } from 'vitest'
import { compareRuns, readEarlierRun, renderComparison } from '../bench/src/compare.ts'
import { type Figure, type Section, sectionAsData } from '../bench/src/report.ts'

const figure = (name: string, median: number, unit = '×'): Figure => ({
  name,
  unit,
  summary: { median, low: median - 0.05, high: median + 0.05, count: 9 },
})
const section = (title: string, ...figures: Figure[]): Section => ({ title, note: 'as it was measured', figures })

describe('bench --compare', () => {
  const before = section('Reads', figure('one caller', 1), figure('ten callers', 2), figure('gone', 3))
  const file = JSON.stringify({ machine: { cores: 2, node: 'v24.0.0' }, sections: [sectionAsData(before)] })

  test('names the medians that left the range which the file of an earlier run gives them, and no others', () => {
    const now = [
      section('Reads', figure('one caller', 1.04), figure('ten callers', 1.9), figure('new', 1)),
      section('Writes', figure('ten callers', 9)),
    ]
    const comparison = compareRuns(readEarlierRun(file).sections, now)
    expect(comparison.compared).toBe(2)
    expect(comparison.moved.map(({ section: title, name }) => [title, name])).toEqual([['Reads', 'ten callers']])
    expect(renderComparison(comparison)).toBe(
      '1 of 2 medians left their earlier range:\n  Reads, ten callers: 2.00 (1.950 … 2.05) -> 1.900 ×\n',
    )
  })

  test('a figure in another unit is another figure', () => {
    const now = [section('Reads', figure('one caller', 5, 'µs'))]
    expect(compareRuns(readEarlierRun(file).sections, now)).toEqual({ moved: [], compared: 0 })
  })

  test.each(['{}', '[]', 'null', '{"sections":[]}'])('a file that is no run is named as such: %s', (text) => {
    expect(() => readEarlierRun(text)).toThrow('expected what `pnpm bench --json` prints')
  })
})
