import type { RoutedPool } from '@headwater/pg'

/** Whole sessions in a table: what an app writes for a session library that leaves the store to it. */
export class KeptSessions {
  readonly #pool: RoutedPool

  constructor(pool: RoutedPool) {
    this.#pool = pool
  }

  async get(sid: string): Promise<unknown> {
    const { rows } = await this.#pool.query('select data from kept_session where sid = $1', [sid])
    return rows[0]?.data
  }

  async set(sid: string, data: unknown): Promise<void> {
    await this.#pool.query(
      'insert into kept_session values ($1, $2) on conflict (sid) do update set data = excluded.data',
      [sid, JSON.stringify(data)],
    )
  }

  async delete(sid: string): Promise<void> {
    await this.#pool.query('delete from kept_session where sid = $1', [sid])
  }
}
