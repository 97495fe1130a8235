import type { Cluster } from '@headwater/cluster'

/** One text to judge. */
export interface Text {
  readonly sql: string
  /** What COPY FROM STDIN reads. */
  readonly input?: string
}

/** Texts that one session sends, in order. */
export interface Script {
  readonly name: string
  readonly texts: Iterable<Text>
  /** Texts know nothing of each other: session state is discarded behind each one that could have made some. */
  readonly isIsolated: boolean
}

/** Scripts that share a database, made fresh from `setup`. */
export interface Suite {
  readonly name: string
  readonly setup: string
  readonly scripts: readonly Script[]
}

export interface Surroundings {
  readonly cluster: Cluster
  /** Where what was fetched may stay for the next run. */
  readonly cacheFolder: string
  /** How many texts are wanted at most, for corpora that make their own. */
  readonly limit: number
  readonly seed: number
  readonly signal: AbortSignal
}

export interface Corpus {
  readonly name: string
  /** The folder of another Postgres than the cluster's own, for what that one cannot load. */
  readonly bin?: (surroundings: Omit<Surroundings, 'cluster'>) => Promise<string>
  /** @throws CorpusUnavailable when something that it needs is not to be had here. */
  suites(surroundings: Surroundings): Promise<readonly Suite[]>
}

/** Why a corpus was left out; the run goes on without it. */
export class CorpusUnavailable extends Error {
  override readonly name = 'CorpusUnavailable'
}

/** A corpus of independent texts over one schema. */
export function independentTexts(name: string, setup: string, texts: Iterable<string>): Suite {
  return { name, setup, scripts: [{ name, isIsolated: true, texts: Array.from(texts, (sql) => ({ sql })) }] }
}
