/** Counts what passed, by data adapter and framework, and prints it. */
export class Matrix {
  readonly #columns: readonly string[]
  readonly #rows = new Map<string, Map<string, { passed: number; total: number }>>()
  readonly #skips = new Map<string, string>()

  constructor(columns: readonly string[]) {
    this.#columns = columns
  }

  /** Runs one case and counts it, passed or not. */
  async count(row: string, column: string, run: () => Promise<void>): Promise<void> {
    const cells = this.#rows.get(row) ?? new Map<string, { passed: number; total: number }>()
    this.#rows.set(row, cells)
    const cell = cells.get(column) ?? { passed: 0, total: 0 }
    cells.set(column, cell)
    cell.total += 1
    await run()
    cell.passed += 1
  }

  skip(row: string, name: string, reason: string): void {
    this.#skips.set(`${row}: ${name}`, reason)
  }

  toString(): string {
    const cellOf = (row: string, column: string) => {
      const cell = this.#rows.get(row)?.get(column)
      return cell === undefined ? '–' : `${cell.passed}/${cell.total}`
    }
    const lines = [
      ['', ...this.#columns],
      ...[...this.#rows.keys()].map((row) => [row, ...this.#columns.map((column) => cellOf(row, column))]),
    ]
    const widths = lines[0]?.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0))) ?? []
    const table = lines.map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    const skips = [...this.#skips].map(([name, reason]) => `skipped: ${name} (${reason})`)
    return [...table, ...skips].join('\n')
  }
}
