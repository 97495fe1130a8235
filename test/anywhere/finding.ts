import { createHash, randomBytes } from 'node:crypto'
import type { Seen } from './ask.ts'

/** What one check saw, in words for the table, and whether it is right. */
export interface Finding {
  readonly check: string
  readonly saw: string
  readonly isRight: boolean
}

/** A name for one request, under which it lands. */
export const newKey = (): string => randomBytes(9).toString('hex')

export const digestOf = (body: Buffer): string => createHash('sha256').update(body).digest('hex')

/** What clients saw, each kind once: `503 + Retry-After`, `200, broken off`. */
export function describe(seen: readonly Seen[]): string {
  const kinds = seen.map(({ status, isWhole, hasHung, retryAfter }) => {
    const marks = [
      retryAfter === undefined ? '' : ' + Retry-After',
      typeof status === 'number' && !isWhole ? ', broken off' : '',
      hasHung ? ', HUNG' : '',
    ]
    return `${status}${marks.join('')}`
  })
  return [...new Set(kinds)].sort().join(' or ')
}

/** Runs `work` for each number below `count`, `atOnce` at a time. */
export async function inParallel<Result>(
  count: number,
  atOnce: number,
  work: (at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) results[at] = await work(at)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results
}
