import { describe, expect, it } from 'vitest'
import { type ProofOptions, type ProofResult, runProof } from './harness.ts'
import { renderFaults, renderTable } from './render.ts'

/** The long run is `main.ts`; of this one the table is in the log, whether it held or not. */
async function prove(
  options: Pick<ProofOptions, 'consistency' | 'trackReads' | 'operations' | 'parallel' | 'lanes'>,
): Promise<ProofResult> {
  const run = { ...options, seed: 5, clients: 32, signal: AbortSignal.timeout(100_000) }
  const result = await runProof(run)
  console.log(renderTable(run, result))
  const failed = [...result.failures.values()].reduce((sum, times) => sum + times, 0)
  // Who is refused everything sees nothing wrong.
  expect(failed, renderFaults(result)).toBeLessThan(result.requests / 100)
  expect(result.verdict.damage, renderFaults(result)).toEqual({ lost: 0, doubled: 0, undead: 0, torn: 0 })
  // And who has nothing but fresh replicas around needs no tokens.
  const ofReplicas = result.history.operations.filter((one) => one.kind === 'read' && one.isFromReplica)
  expect(ofReplicas.length).toBeGreaterThan(options.operations / 4)
  expect(result.verdict.staleReads).toBeGreaterThan(options.operations / 20)
  return result
}

const NONE = { 'read-your-writes': 0, 'monotonic-reads': 0, 'monotonic-writes': 0, 'writes-follow-reads': 0 }

describe('clients that roam, on replicas that lag', () => {
  it('F1, F5: with tokens from the first read on, a session sees what it is promised', async () => {
    const result = await prove({ consistency: 'session', trackReads: 'always', operations: 2500 })
    expect(result.verdict.violations, renderFaults(result)).toEqual(NONE)
  })

  it('F1, F5: with tokens from the first write on, it sees its writes, and from then on all that it is promised', async () => {
    const result = await prove({ consistency: 'session', trackReads: 'with-token', operations: 1500 })
    expect(result.verdict.violations, renderFaults(result)).toMatchObject({ 'read-your-writes': 0 })
    expect(result.promised.violations, renderFaults(result)).toEqual(NONE)
  })

  it('F1, F5: also with several requests of each client under way at once', async () => {
    const result = await prove({ consistency: 'session', trackReads: 'always', operations: 1500, parallel: 3 })
    expect(result.verdict.violations, renderFaults(result)).toEqual(NONE)
  })

  it('F1, F5, S4: also where small reads share connections', async () => {
    const options = {
      consistency: 'session',
      trackReads: 'always',
      operations: 1500,
      parallel: 3,
      lanes: true,
    } as const
    const result = await prove(options)
    expect(result.verdict.violations, renderFaults(result)).toEqual(NONE)
    expect(result.shared).toBeGreaterThan(0)
  })

  it('without them, it does not: the same rig finds many violations', async () => {
    const { verdict } = await prove({ consistency: 'eventual', trackReads: 'always', operations: 1500 })
    expect(verdict.violations['read-your-writes']).toBeGreaterThan(20)
    expect(verdict.violations['monotonic-reads']).toBeGreaterThan(20)
  })
})
