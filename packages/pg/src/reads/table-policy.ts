/** Tables that are read at the primary only. */
export class TablePolicy {
  readonly #mention: RegExp | undefined

  /** Names as Postgres folds them, with or without a schema. */
  constructor(tables: readonly string[]) {
    const names = tables.map((table) => literal(table.slice(table.lastIndexOf('.') + 1)))
    this.#mention = names.length === 0 ? undefined : new RegExp(`(?<![\\w$])(?:${names.join('|')})(?![\\w$])`, 'i')
  }

  /**
   * Whether a text may read one of them: whether it has the name as a word of its own, wherever that stands. A column of
   * that name costs a trip to the primary; a table behind a view is not seen, so name the view too.
   */
  mayRead(text: string | undefined): boolean {
    return this.#mention !== undefined && text !== undefined && this.#mention.test(text)
  }
}

function literal(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
}
