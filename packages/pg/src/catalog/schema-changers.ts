import type { CatalogRow } from './catalog-query.ts'

/** What a body says that changes what the catalog says of functions, operators, views or types, also inside a constant that it runs. */
const CHANGES =
  /\b(?:create(?:\s+or\s+replace)?(?:\s+(?:recursive|foreign))*|alter|drop|import\s+foreign)[\s'"|$]+(?:function|procedure|routine|aggregate|view|type|domain|cast|operator|policy|rule|schema|extension|foreign|language|%\w*)\b|\balter\s+table\b/i

/** With more of them than this, a text is not searched for their names: it may be any of them. */
const MOST_NAMES = 1000

/** Functions that change the schema when they are called. Triggers are not among them: no statement names them. */
export class SchemaChangers {
  static readonly NONE: SchemaChangers = new SchemaChangers(new Set())
  readonly #anyOf: RegExp | undefined

  private constructor(names: ReadonlySet<string>) {
    this.#anyOf = names.size === 0 ? undefined : namesIn(names)
  }

  /** Finds them, and what calls them; `breathe` is awaited now and then. */
  static async among(rows: readonly CatalogRow[], breathe: () => Promise<void>): Promise<SchemaChangers> {
    const others: { readonly name: string; readonly body: string }[] = []
    const all = new Set<string>()
    for (const { kind, name, body } of rows) {
      if (kind !== 'function' || body === null) continue
      if (CHANGES.test(body)) all.add(name)
      else others.push({ name, body })
      await breathe()
    }
    for (let found: ReadonlySet<string> = new Set(all); found.size > 0; ) {
      const anyOf = namesIn(found)
      const callers = new Set<string>()
      for (const { name, body } of others) {
        if (!all.has(name) && anyOf.test(body)) callers.add(name)
        await breathe()
      }
      for (const name of callers) all.add(name)
      found = callers
    }
    return all.size === 0 ? SchemaChangers.NONE : new SchemaChangers(all)
  }

  /** Whether a text has the name of one of them. */
  mayBeCalledBy(text: string): boolean {
    return this.#anyOf?.test(text) === true
  }
}

function namesIn(names: ReadonlySet<string>): RegExp {
  if (names.size > MOST_NAMES) return /^/
  // No name begins or ends within another, and a code point needs no escape of its own.
  const escaped = [...names].map((name) =>
    name.replaceAll(/[^\p{L}\p{N}_]/gu, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`),
  )
  return new RegExp(`(?<![\\p{L}\\p{N}_$])(?:${escaped.join('|')})(?![\\p{L}\\p{N}_$])`, 'iu')
}
