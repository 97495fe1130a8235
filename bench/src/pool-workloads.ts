import type pg from 'pg'

/** What an app does with a pool; the same code drives pg's own and the routed one. */
export interface Workload {
  readonly name: string
  readonly doesWrite: boolean
  /** How many queries one run makes. */
  readonly queries: number
  readonly run: (pool: pg.Pool) => Promise<unknown>
}

export const SCHEMA = 'create table note (id int primary key generated always as identity, body text not null)'

export const WORKLOADS: readonly Workload[] = [
  { name: 'text query', doesWrite: false, queries: 1, run: (pool) => pool.query('select 1') },
  {
    name: 'query with parameters',
    doesWrite: false,
    queries: 1,
    run: (pool) => pool.query('select id, body from note where id = $1 and body <> $2', [1, 'x']),
  },
  {
    name: 'connect, query, release',
    doesWrite: false,
    queries: 1,
    run: async (pool) => {
      const client = await pool.connect()
      try {
        return await client.query('select 1')
      } finally {
        client.release()
      }
    },
  },
  {
    name: 'BEGIN, INSERT, COMMIT',
    doesWrite: true,
    queries: 3,
    run: async (pool) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await client.query('insert into note (body) values ($1)', ['a note'])
        return await client.query('COMMIT')
      } finally {
        client.release()
      }
    },
  },
]
