/**
 * Does something `iterations` times in a loop of its own and gives back a number that depends on every result, so that
 * nothing can be left out.
 */
export type Work = (iterations: number) => number

export interface Contender {
  readonly name: string
  readonly work: Work
  /** Called before each timed loop with its length, outside the measured time. */
  readonly prepare?: (iterations: number) => void
}

/** What a timed loop may take at most, in iterations; a contender that prepares its input keeps it warm in the cache. */
const MOST_PREPARED = 512
const LOOP_MS = 2

/** What all the loops add up to. */
let sink = 0

/**
 * Nanoseconds per iteration of each contender, one sample a round, in rounds in which every one has its turn.
 * The first third of the rounds warms up and is not counted.
 */
export function timeInTurns(contenders: readonly Contender[], rounds: number): ReadonlyMap<string, readonly number[]> {
  const samples = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  const warmUp = Math.ceil(rounds / 3)
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const contender of contenders) {
      const nanoseconds = timeOf(contender)
      if (round >= 0) samples.get(contender.name)?.push(nanoseconds)
    }
  }
  if (Number.isNaN(sink)) throw new TypeError('[bench] a loop added up to no number')
  return samples
}

/** In ns. The first half brings code and data back near: what ran before may have thrown both out. */
function timeOf(contender: Contender): number {
  repeatFor(LOOP_MS, contender)
  return repeatFor(LOOP_MS, contender)
}

/** Repeats until `duration` ms of measured time are full, and gives the time of one in ns. */
function repeatFor(duration: number, { work, prepare }: Contender): number {
  let measured = 0
  let done = 0
  let iterations = prepare === undefined ? 1 : MOST_PREPARED
  while (measured < duration) {
    prepare?.(iterations)
    const start = performance.now()
    sink += work(iterations)
    measured += performance.now() - start
    done += iterations
    if (prepare === undefined && measured < duration / 4) iterations *= 2
  }
  return (measured * 1e6) / done
}

/** Makes flat strings that nobody has hashed yet, as a driver or an ORM builds them anew for each query. */
export class FreshTexts {
  readonly #sources: readonly Buffer[]
  #texts: string[] = []

  constructor(texts: readonly string[]) {
    this.#sources = texts.map((text) => Buffer.from(text, 'latin1'))
  }

  readonly prepare = (count: number): void => {
    const sources = this.#sources
    this.#texts = Array.from({ length: count }, (_, index) => sources[index % sources.length]?.toString('latin1') ?? '')
  }

  get texts(): readonly string[] {
    return this.#texts
  }
}
