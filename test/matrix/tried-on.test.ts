import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { POSTGRES, RUNTIMES } from './cells.ts'
import { parseMatrixOptions } from './matrix-options.ts'
import { README, readRecord, type TriedOn } from './record.ts'
import { withTriedOn } from './tried-on.ts'

describe('what the README says we tried', () => {
  it('is what was recorded', async () => {
    const readme = await readFile(README, 'utf8')
    expect(withTriedOn(readme, await readRecord()), 'write it anew: pnpm matrix --record').toBe(readme)
  })

  it('was seen to pass, on every runtime and every PostgreSQL of npm', async () => {
    const { runtimes, postgres } = await readRecord()
    for (const runtime of RUNTIMES) expect(runtimes[runtime], runtime).toMatchObject({ counts: { failed: 0 } })
    for (const major of POSTGRES.filter((one) => one !== '19')) {
      expect(postgres[major], major).toMatchObject({ counts: { failed: 0 } })
    }
  })

  it('changes with the record, and shows what failed', async () => {
    const readme = await readFile(README, 'utf8')
    const tried = { on: '2030-01-02', version: '20.99.0', counts: { passed: 3, failed: 1, skipped: 2 } }
    const other: TriedOn = { ...(await readRecord()), runtimes: { 'node-20': tried } }
    expect(withTriedOn(readme, other)).toContain('on Node 20.99.0 (3 of 4, 2 skipped) (2030-01-02)')
    expect(() => withTriedOn('no marks', other)).toThrow(/README\.md has no lines between/)
  })
})

describe('pnpm matrix', () => {
  it.each([
    { args: [], runtimes: RUNTIMES, postgres: POSTGRES },
    { args: ['--node', '20,26'], runtimes: ['node-20', 'node-26'], postgres: [] },
    { args: ['--postgres', '14'], runtimes: [], postgres: ['14'] },
    { args: ['--node', '24', '--postgres', '18'], runtimes: ['node-24'], postgres: ['18'] },
    { args: ['--only', 'bun'], runtimes: ['bun-1'], postgres: [] },
    { args: ['--only', 'postgres'], runtimes: [], postgres: POSTGRES },
    { args: ['--ends'], runtimes: ['node-20', 'node-26'], postgres: ['14'] },
  ])('understands $args', ({ args, runtimes, postgres }) => {
    expect(parseMatrixOptions(args)).toEqual({ runtimes, postgres, isRecorded: false })
  })

  it('says what it expected', () => {
    expect(() => parseMatrixOptions(['--node', '19'])).toThrow('--node has "19", expected 20, 22, 24, 26.')
    expect(() => parseMatrixOptions(['--only', 'rust'])).toThrow(/expected runtimes, postgres/)
  })
})
