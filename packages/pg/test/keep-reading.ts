import { WHO } from '@headwater/test-world'
import type { RoutedPool } from '../src/index.ts'

/** Reads until told to stop, and gives who answered and what failed. */
export function keepReading(
  pool: RoutedPool,
): () => Promise<{ readonly answers: string[]; readonly failures: unknown[] }> {
  const answers: string[] = []
  const failures: unknown[] = []
  let isOver = false
  const readers = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await pool.query(WHO).then(
        ({ rows }) => answers.push(rows[0].who),
        (error: unknown) => failures.push(error),
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  return async () => {
    isOver = true
    await Promise.all(readers)
    return { answers, failures }
  }
}
