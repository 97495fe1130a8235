import { Random } from '../random.ts'
import { FaultRig, type Replication } from './fault-rig.ts'
import { FAULTS, type Fault, type FaultName } from './faults.ts'
import { type FaultResult, runFault } from './run-fault.ts'

export interface FaultProofOptions {
  readonly runs: readonly { readonly fault: FaultName; readonly replication: Replication }[]
  /** How many operations all runs have at least, together. */
  readonly operations: number
  readonly clients: number
  readonly holdMillis: number
  readonly suspectAfterMillis: number
  /** Whether small reads share connections (S4). Default `false`. */
  readonly lanes?: boolean | undefined
  readonly seed: number
  readonly signal: AbortSignal
  readonly onResult?: (result: FaultResult) => void | Promise<void>
}

/** Runs faults one after the other: those that end as they began on one cluster, each promotion on its own. */
export async function proveFaults(options: FaultProofOptions): Promise<FaultResult[]> {
  const { runs, clients, holdMillis, suspectAfterMillis, lanes = false, signal } = options
  const operations = Math.ceil(options.operations / runs.length)
  const results: FaultResult[] = []
  for (const group of groupsOf(runs)) {
    const [first] = group
    if (first === undefined) continue
    const { replication } = first
    const hasSuccessor = isPromotion(first.fault)
    await using rig = await FaultRig.open({ replication, hasSuccessor, suspectAfterMillis, lanes, signal })
    for (const [index, { fault }] of group.entries()) {
      // Of its own, so that `--only` shows a fault as it was among the others.
      const random = new Random(options.seed * 1000 + Object.keys(FAULTS).indexOf(fault))
      const firstClient = 1 + index * clients
      const run = { fault, replication, operations, clients, firstClient, holdMillis, random, signal }
      const result = await runFault(rig, run).catch((cause: unknown) => {
        throw new Error(`${fault}, ${replication}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      })
      results.push(result)
      await options.onResult?.(result)
    }
  }
  return results
}

function groupsOf(runs: FaultProofOptions['runs']): FaultProofOptions['runs'][] {
  const shared = (['asynchronous', 'synchronous'] as const).map((replication) =>
    runs.filter((run) => !isPromotion(run.fault) && run.replication === replication),
  )
  return [...shared, ...runs.filter(({ fault }) => isPromotion(fault)).map((run) => [run])]
}

function isPromotion(fault: FaultName): boolean {
  const { isPromotion = false }: Fault = FAULTS[fault]
  return isPromotion
}
