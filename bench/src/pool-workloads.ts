import type pg from 'pg'

/** What an app does with a pool; the same code drives pg's own and the routed one. */
export interface Workload {
  readonly name: string
  readonly doesWrite: boolean
  /** How many queries one run makes. */
  readonly queries: number
  readonly run: (pool: pg.Pool) => Promise<unknown>
  /** The throughput, to pg's, that is wanted. */
  readonly atLeast: number
}

/** How many texts there were so far: no text of both pools is the same. */
let texts = 0

export const SCHEMA = 'create table note (id int primary key generated always as identity, body text not null)'

export const WORKLOADS: readonly Workload[] = [
  { name: 'text query', doesWrite: false, queries: 1, run: (pool) => pool.query('select 1'), atLeast: 0.97 },
  {
    name: 'query with parameters',
    doesWrite: false,
    queries: 1,
    run: (pool) => pool.query('select id, body from note where id = $1 and body <> $2', [1, 'x']),
    atLeast: 0.97,
  },
  {
    name: 'a text that is seen once',
    doesWrite: false,
    queries: 1,
    // Another name, not another constant: texts that differ in those alone are told at once.
    run: (pool) => pool.query(`select id, body as body_${texts++} from note where id = $1`, [1]),
    atLeast: 0.98,
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
    atLeast: 0.97,
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
    atLeast: 0.97,
  },
]
