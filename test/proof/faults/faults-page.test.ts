import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { FAULT_NAMES, REPLICATIONS } from './faults.ts'
import { ZEROES } from './figures.ts'
import { FAULTS_PAGE, readFaultRecord, withFaults } from './record.ts'

/** Fewer were too few to find anything; the long run does 200,000. */
const OPERATIONS = 190_000

describe('docs/faults.md', () => {
  it('is what was recorded', async () => {
    const page = await readFile(FAULTS_PAGE, 'utf8')
    expect(withFaults(page, await readFaultRecord()), 'write it anew: pnpm proof --faults --record').toBe(page)
  })

  it('names every fault, with both kinds of replication', async () => {
    const { runs } = await readFaultRecord()
    const page = await readFile(FAULTS_PAGE, 'utf8')
    for (const fault of FAULT_NAMES) {
      for (const replication of REPLICATIONS) {
        expect(page).toContain(`| \`${fault}\` | ${replication} |`)
        expect(runs.filter((run) => run.fault === fault && run.replication === replication)).toHaveLength(1)
      }
    }
    expect(runs).toHaveLength(FAULT_NAMES.length * REPLICATIONS.length)
  })

  it('X6, X7, X11, F1, F5: nothing was lost, doubled, half-committed or stale, and everything settled', async () => {
    const { runs } = await readFaultRecord()
    for (const run of runs) {
      for (const zero of ZEROES) expect(run[zero], `${zero} of ${run.fault}, ${run.replication}`).toBe(0)
    }
    expect(runs.reduce((sum, { operations }) => sum + operations, 0)).toBeGreaterThanOrEqual(OPERATIONS)
  })

  it('X2: no read failed where only a replica did', async () => {
    const { runs } = await readFaultRecord()
    const ofReplicas = runs.filter(({ fault }) => fault.startsWith('replica-'))
    expect(ofReplicas.length).toBeGreaterThan(5)
    for (const { fault, failedReads } of ofReplicas) expect(failedReads, fault).toBe(0)
  })

  it('changes with the record', async () => {
    const record = await readFaultRecord()
    const page = await readFile(FAULTS_PAGE, 'utf8')
    const [first, ...others] = record.runs
    if (first === undefined) throw new Error('nothing is recorded')
    expect(withFaults(page, { ...record, runs: [{ ...first, lost: 7 }, ...others] })).not.toBe(page)
    expect(() => withFaults('no marks', record)).toThrow(/docs\/faults\.md has no lines between/)
  })
})
