import type { Equivalent } from './verdict.ts'

/** Mutants that no test can kill, each with the reason. A moved file keeps its entries; changed code loses them. */
export const EQUIVALENTS: readonly Equivalent[] = [
  {
    line: "if (control !== undefined || access === 'write' || access === 'session') return undefined",
    change: 'control !== undefined -> false',
    reason: 'whatever steers a transaction has the access session or write already',
  },
  {
    line: 'if (this.#functions.size === 0 && this.#texts.size === 0) return false',
    change: 'this.#functions.size === 0 && this.#texts.size === 0 -> false',
    reason: 'only a short cut: empty sets have nothing',
  },
  {
    line: 'if (record.writes < 0.5) return false',
    change: 'record.writes < 0.5 -> record.writes <= 0.5',
    reason: 'no number of steps of 0.4 leads from 0 or 0.7 to exactly one half',
  },
  {
    line: 'if (known !== undefined) this.#records.delete(key)',
    change: 'known !== undefined -> true',
    reason: 'deleting what a map has not does nothing',
  },
  {
    line: 'if (oldest !== undefined) this.#records.delete(oldest)',
    change: 'oldest !== undefined -> true',
    reason: 'for the types: deleting what a map has not does nothing',
  },
  {
    line: 'if (diagnostics.replay.hasSubscribers) {',
    change: 'diagnostics.replay.hasSubscribers -> true',
    reason: 'only a short cut: a channel that nobody listens to drops what is published',
  },
  {
    line: "const [secret = ''] = secrets",
    change: `'' -> "Stryker was here!"`,
    reason: 'for the types: parseSecrets gives one at least',
  },
  {
    line: 'const [, high, low] = TEXT.exec(text) ?? []',
    change: '[] -> ["Stryker was here"]',
    reason: 'the first of them is not looked at',
  },
  {
    line: 'if (high === undefined || low === undefined) return undefined',
    change: 'high === undefined || low === undefined -> high === undefined && low === undefined',
    reason: 'a match has both halves, no match has neither',
  },
  {
    line: 'if (high === undefined || low === undefined) return undefined',
    change: 'high === undefined -> false',
    reason: 'a match has both halves, no match has neither',
  },
  {
    line: 'if (high === undefined || low === undefined) return undefined',
    change: 'low === undefined -> false',
    reason: 'a match has both halves, no match has neither',
  },
  {
    line: "if (secrets.length === 0 || secrets[0] === undefined || secrets[0] === '') {",
    change: 'secrets.length === 0 -> false',
    reason: 'the first of none is undefined',
  },
  {
    line: 'return left.timeline === right.timeline ? left.lsn > right.lsn : left.timeline > right.timeline',
    change: 'left.lsn > right.lsn -> left.lsn >= right.lsn',
    reason: 'of two that are the same either may be taken',
  },
  {
    line: 'return left.timeline === right.timeline ? left.lsn > right.lsn : left.timeline > right.timeline',
    change: 'left.timeline > right.timeline -> left.timeline >= right.timeline',
    reason: 'asked only where they differ',
  },
  {
    line: 'if (this.hasWritten) this.#done += 1',
    change: 'this.hasWritten -> true',
    reason: 'without a write, a position is known only behind reads at the primary, and tracked reads stay there',
  },
  {
    line: 'if (before === undefined || before.node === replica.node) this.#readOn = replica',
    change: 'before.node === replica.node -> false',
    reason: 'the other branch joins a node with itself',
  },
  {
    line: 'const position = await this.#onlySource?.whereIsPrimary(this.isCommitAsync)',
    change: 'this.#onlySource?.whereIsPrimary -> this.#onlySource.whereIsPrimary',
    reason: 'for the types: it is asked only when there is one',
  },
  {
    line: 'if (position !== undefined && this.#underway === 0 && this.#done === done) this.#known = { position, done }',
    change: 'position !== undefined -> true',
    reason: 'for the types: it is asked only when there is one',
  },
  {
    line: "if (routine !== undefined && REFUSING_ROUTINES[code]?.has(routine)) return 'refused'",
    change: 'routine !== undefined -> true',
    reason: 'for the types: no set has undefined',
  },
  {
    line: "if (code === '55000' && file !== undefined && REFUSING_FILES.has(file)) return 'refused'",
    change: 'file !== undefined -> true',
    reason: 'for the types: no set has undefined',
  },
  {
    line: "return typeof message === 'string' && LOSS_TEXT.test(message)",
    change: "typeof message === 'string' -> true",
    reason: 'for the types: what is no text does not read like one of those',
  },
  {
    line: 'session: true,',
    change: 'true -> false',
    reason: 'the table is asked for its keys only',
  },
  {
    line: 'bounded: true,',
    change: 'true -> false',
    reason: 'the table is asked for its keys only',
  },
  {
    line: 'eventual: true,',
    change: 'true -> false',
    reason: 'the table is asked for its keys only',
  },
  {
    line: 'strong: true,',
    change: 'true -> false',
    reason: 'the table is asked for its keys only',
  },
]
