import type { RoutedPool } from '@headwater/pg'
import type { Handler, Here } from './life.ts'

const COUNT = 'select who, (select count(*)::int from note where body = $1) as notes from server'

/** Who answers, and how many notes of this text it has: `nrt has 1`. */
export async function find({ pool }: { readonly pool: Pick<RoutedPool, 'query'> }, body: string): Promise<string> {
  const { rows } = await pool.query<{ who: string; notes: number }>(COUNT, [body])
  return rows.map(({ who, notes }) => `${who} has ${notes}`).join()
}

/** Writes a note, and says in which region. */
export async function write({ pool, region }: Pick<Here, 'pool' | 'region'>, body: string): Promise<string> {
  await pool.query('insert into note (body, region) values ($1, $2)', [body, region])
  return region
}

export const reading =
  (body: string): Handler =>
  (here) =>
    find(here, body)

export const writing =
  (body: string): Handler =>
  (here) =>
    write(here, body)

/** How many of these are so. */
export const count = <One>(all: readonly One[], isSo: (one: One) => boolean): string =>
  `${all.filter(isSo).length} of ${all.length}`

/** Does it this many times, one after the other. */
export async function times<Result>(many: number, act: (time: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let time = 0; time < many; time += 1) results.push(await act(time))
  return results
}
