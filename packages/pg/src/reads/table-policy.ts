/** Tables that are read at the primary only. */
export class TablePolicy {
  readonly #mention: RegExp | undefined

  /** `tables` holds names as Postgres folds them, with or without a schema. */
  constructor(tables: readonly string[]) {
    const names = tables.map((table) => literal(table.slice(table.lastIndexOf('.') + 1)))
    this.#mention = names.length === 0 ? undefined : new RegExp(`(?<![\\w$])(?:${names.join('|')})(?![\\w$])`, 'i')
  }

  /**
   * Whether a text may read one of them: whether the name occurs in it as a word of its own. A column of that name sends the
   * statement to the primary too. A table behind a view is not found, so list the view as well.
   */
  mayRead(text: string | undefined): boolean {
    return this.#mention !== undefined && text !== undefined && this.#mention.test(text)
  }
}

function literal(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
}
