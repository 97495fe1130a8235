/** How one of several replicas is chosen: each in its turn, the one with the fewest queries, or the one that answers soonest. */
export type ReplicaChoice = 'round-robin' | 'least-busy' | 'latency'

/** A replica that may be chosen. */
export interface Choosable {
  /** How much of the reads it gets, beside the others: 1 or more. */
  readonly weight: number
  /** Connections in use, and callers that wait for one. */
  readonly busy: number
  /** How long it takes to answer, in ms; `undefined` before it was measured. */
  readonly millis: number | undefined
}

/** Of replicas that answer about as soon as the soonest each gets its turn: less is noise. */
const ALIKE_SHARE = 1.5
const ALIKE_MILLIS = 1

/**
 * The place of the replica that a read tries first; -1 when there is none. Pure: of those that are equally good the one whose `turn` it is.
 */
export function chooseReplica(choice: ReplicaChoice, replicas: readonly Choosable[], turn: number): number {
  if (replicas.length < 2) return replicas.length - 1
  switch (choice) {
    case 'round-robin':
      return inTurn(replicas, turn, () => true)
    case 'least-busy': {
      // One more query, so that of two idle ones the heavier comes first.
      const loadOf = ({ busy, weight }: Choosable): number => (busy + 1) / weight
      const least = Math.min(...replicas.map(loadOf))
      return inTurn(replicas, turn, (replica) => loadOf(replica) === least)
    }
    case 'latency': {
      const soonest = Math.min(...replicas.map(({ millis }) => millis ?? Number.POSITIVE_INFINITY))
      if (!Number.isFinite(soonest)) return inTurn(replicas, turn, () => true)
      const limit = Math.max(soonest * ALIKE_SHARE, soonest + ALIKE_MILLIS)
      return inTurn(replicas, turn, ({ millis }) => millis !== undefined && millis <= limit)
    }
  }
}

/** Whose turn it is among those that `isGood` holds for, each as often as its weight says. */
function inTurn(replicas: readonly Choosable[], turn: number, isGood: (replica: Choosable) => boolean): number {
  const weights = replicas.map((replica) => (isGood(replica) ? replica.weight : 0))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  // Those of one replica are spread among the others': the fraction of a golden step falls everywhere alike.
  const isPlain = weights.every((weight) => weight === 0 || weight === 1)
  let left = isPlain ? turn % total : ((turn * GOLDEN) % 1) * total
  for (const [index, weight] of weights.entries()) {
    if (weight > 0 && left < weight) return index
    left -= weight
  }
  return weights.findLastIndex((weight) => weight > 0)
}

const GOLDEN = (Math.sqrt(5) - 1) / 2
