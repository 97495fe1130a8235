import type { Life } from './life.ts'

/**
 * - `+`: it is here. `++`: it is here, and holds more.
 * - `~`: half of it is. `−`: it is not. `n`: it is outside what Headwater is for. These three say why.
 */
export type Mark = '+' | '++' | '~' | '−' | 'n'

/** One thing that a system of this line, or one beside it, does; and what comes of it here. */
export interface Row {
  /** What it does there, or what its users asked for. */
  readonly there: string
  readonly mark: Mark
  /** By what it is done here. */
  readonly here?: string
  /** Why it is not, or only half. */
  readonly why?: string
  /** Tries it, through the proxy, and tells in short what was seen. */
  readonly run?: (life: Life) => Promise<unknown>
  /** What `run` tells. */
  readonly seen?: string
  /** Where it takes servers of its own: the test that tries it, as file and title. */
  readonly shownBy?: readonly [file: string, title: string]
}

/** All rows of one system. */
export interface Ancestor {
  readonly title: string
  readonly rows: readonly Row[]
}
