import { expect, test } from 'vitest'
import type { FaultName } from './faults.ts'
import { ZEROES } from './figures.ts'
import { proveFaults } from './prove-faults.ts'
import { renderFaultTable } from './render-faults.ts'

/** Those that no other test of the whole has; the long run is `pnpm proof --faults`. */
const SHORT: readonly FaultName[] = ['replica-frozen', 'half-open', 'answer-lost', 'recovery-conflict']
const PROMOTIONS: readonly FaultName[] = ['promotion', 'split-brain']

test('X2, X6, X7, X11, F1, F5: under fire nothing is lost, doubled, half-committed or stale, and everything settles', async () => {
  const results = await proveFaults({
    runs: [...SHORT, ...PROMOTIONS].map((fault) => ({ fault, replication: 'synchronous' })),
    operations: 1250,
    clients: 12,
    holdMillis: 1200,
    suspectAfterMillis: 400,
    seed: 3,
    signal: AbortSignal.timeout(110_000),
  })
  console.log(renderFaultTable(results.map(({ figures }) => figures)))
  for (const { figures, verdict, failures } of results) {
    const evidence = JSON.stringify({
      figures,
      examples: verdict.examples,
      damaged: verdict.damaged,
      failures: [...failures],
    })
    for (const zero of ZEROES) expect(figures[zero], evidence).toBe(0)
    expect(figures.givenUp, evidence).toBe(0)
    // Who is refused everything sees nothing wrong.
    expect(figures.operations, evidence).toBeGreaterThan(200)
  }
})
