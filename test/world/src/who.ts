import type pg from 'pg'

/** Asks the server who it is: `primary`, or the name of a replica. */
export const WHO = 'select who from server'

/** Which server answers a read. */
export async function who(target: Pick<pg.Pool | pg.PoolClient, 'query'>): Promise<string> {
  const { rows } = await target.query<{ who: string }>(WHO)
  return rows[0]?.who ?? 'nobody'
}
