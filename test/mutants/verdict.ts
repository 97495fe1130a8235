/** What a verdict needs to know of a mutant; StrykerJS tells more. */
export interface Mutant {
  readonly fileName: string
  /** Lines and columns from 1; the end is behind the last character. */
  readonly location: { readonly start: Place; readonly end: Place }
  readonly mutatorName: string
  readonly replacement?: string | undefined
  readonly status: string
}

interface Place {
  readonly line: number
  readonly column: number
}

/** A mutant that no test can kill, because it does the same. Named by its code, so that it may move. */
export interface Equivalent {
  /** The line that it begins on, trimmed. */
  readonly line: string
  /** What becomes of which part of it: `value > limit -> true`. */
  readonly change: string
  readonly reason: string
}

export interface Survivor {
  /** `file:line:column`. */
  readonly place: string
  readonly mutator: string
  readonly line: string
  readonly change: string
}

export interface Verdict {
  readonly killed: number
  readonly equivalent: number
  readonly survivors: readonly Survivor[]
  /** Entries of the list that no survivor has matched: the code has changed, or a test kills it by now. */
  readonly stale: readonly Equivalent[]
  /** Killed or named as equivalent, of all: 0 to 1. */
  readonly share: number
}

/** Says of each mutant whether the tests have noticed it. `sourceOf` gives the text of a file. */
export function judge(
  mutants: readonly Mutant[],
  equivalents: readonly Equivalent[],
  sourceOf: (fileName: string) => string,
): Verdict {
  const survivors: Survivor[] = []
  const used = new Set<Equivalent>()
  let killed = 0
  let equivalent = 0
  for (const mutant of mutants) {
    const source = sourceOf(mutant.fileName)
    if (isProse(mutant, source)) continue
    if (mutant.status === 'Killed' || mutant.status === 'Timeout') killed += 1
    if (mutant.status !== 'Survived' && mutant.status !== 'NoCoverage') continue
    const survivor = survivorOf(mutant, source)
    const entry = equivalents.find((candidate) => isNamedBy(survivor, candidate))
    if (entry === undefined) survivors.push(survivor)
    else {
      used.add(entry)
      equivalent += 1
    }
  }
  const all = killed + equivalent + survivors.length
  return {
    killed,
    equivalent,
    survivors,
    stale: equivalents.filter((entry) => !used.has(entry)),
    share: all === 0 ? 1 : (killed + equivalent) / all,
  }
}

function survivorOf(mutant: Mutant, source: string): Survivor {
  const { fileName, location, mutatorName, replacement = '' } = mutant
  const { line, column } = location.start
  return {
    place: `${fileName}:${line}:${column}`,
    mutator: mutatorName,
    line: (source.split('\n')[line - 1] ?? '').trim(),
    change: `${originalOf(mutant, source)} -> ${replacement}`.replaceAll(/\s+/g, ' '),
  }
}

function isNamedBy(survivor: Survivor, { line, change }: Equivalent): boolean {
  return line === survivor.line && change === survivor.change
}

/** The words of a message: no test should hold them to the letter. A name or a code has no space in it. */
function isProse(mutant: Mutant, source: string): boolean {
  return mutant.mutatorName === 'StringLiteral' && originalOf(mutant, source).includes(' ')
}

/** What the mutant took out. */
function originalOf({ location: { start, end } }: Mutant, source: string): string {
  const lines = source.split('\n').slice(start.line - 1, end.line)
  const last = lines.length - 1
  const part = (line: string, at: number): string =>
    line.slice(at === 0 ? start.column - 1 : 0, at === last ? end.column - 1 : undefined)
  return lines.map(part).join('\n')
}
