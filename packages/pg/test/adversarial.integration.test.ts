import { inspect } from 'node:util'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, endOf } from './semantics/row.ts'
import { thrownToTheProcess } from './thrown-to-the-process.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const thrower = (): never => {
  throw new Error('thrown by the app')
}
const cycle: unknown[] = []
cycle.push(cycle)
const own: { toPostgres: () => unknown } = { toPostgres: () => own }
const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
})()
const hostile = new Proxy({}, { get: thrower, getOwnPropertyDescriptor: thrower, ownKeys: thrower, has: thrower })
/** A getter that answers a few times, and then throws. */
const tiring = (times: number) => {
  let left = times
  return {
    get text() {
      left -= 1
      return left < 0 ? thrower() : 'select 1'
    },
  }
}

const ONE = 'select $1::text as v'
const VALUES: readonly unknown[] = [
  'text',
  5,
  true,
  {},
  new Set(),
  Symbol('values'),
  hostile,
  [cycle],
  [{ id: 1n }],
  [Symbol('value')],
  [() => 1],
  [Object.create(null)],
  [{ toJSON: thrower }],
  [{ toPostgres: thrower }],
  [{ toPostgres: 5 }],
  [own],
  [hostile],
  [revoked],
  [new Date(Number.NaN)],
  [new Array(3)],
  ['\0'],
  ['\ud800'],
  [1, 2, 3],
  new Proxy(['a'], { get: thrower }),
  [Number.NaN],
  [{ toString: 5 }],
]
const TYPES: readonly unknown[] = [
  5,
  {},
  { getTypeParser: thrower },
  { getTypeParser: () => thrower },
  { getTypeParser: () => 5 },
  hostile,
  revoked,
]
const FIELDS: readonly object[] = [
  { text: undefined },
  { text: null },
  { text: 5 },
  { text: Symbol('text') },
  { text: { toString: thrower } },
  { text: ['select 1'] },
  { name: 5, text: 'select 1' },
  { name: {}, text: 'select 1' },
  { name: 'x'.repeat(100), text: 'select 1' },
  { name: 'never given' },
  { name: 'no text', text: 5 },
  { name: '\0', text: 'select 1' },
  { rowMode: 5, text: 'select 1' },
  { rows: 'x', text: 'select 1' },
  { rows: -1, text: 'select 1' },
  { portal: 5, text: ONE, values: ['a'] },
  { portal: {}, text: ONE, values: ['a'] },
  { binary: 'yes', text: ONE, values: ['a'] },
  { queryMode: 5, text: 'select 1' },
  { query_timeout: -5, text: 'select 1' },
  { query_timeout: Number.NaN, text: 'select 1' },
  { query_timeout: {}, text: 'select 1' },
  { query_timeout: 1, text: 'select pg_sleep(0.05)' },
  { submit: 5, text: 'select 1' },
  { callback: 5, text: 'select 1' },
]
const TEXTS: readonly unknown[] = [
  undefined,
  null,
  0,
  5,
  true,
  10n,
  Symbol('query'),
  [],
  {},
  hostile,
  revoked,
  '',
  '\0',
  'select 1\0',
  '\ud800',
  ';;;',
  "select '",
  'select $1',
  'begin; select 1/0',
  'copy (select 1) to stdout',
  'copy note from stdin',
  'select 1/0; commit',
]

/** Each odd thing as the arguments of `query`. */
const ODD: readonly (readonly unknown[])[] = [
  [],
  ...TEXTS.map((text) => [text]),
  ...FIELDS.map((config) => [config]),
  ...VALUES.flatMap((values) => [[ONE, values], [{ text: ONE, values }], [{ name: 'odd', text: ONE }, values]]),
  ...TYPES.flatMap((types) => [[{ text: 'select 1 as v', types }], [{ text: ONE, values: ['a'], types }]]),
  ...[1, 2, 3, 4, 5].map((times) => [tiring(times)]),
]

const PATIENCE_MILLIS = 10_000

/** Gives odd things in one form, and waits until each has its one answer. */
async function give(
  target: pg.Pool | pg.PoolClient,
  odd: readonly unknown[],
  form: 'promise' | 'callback',
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`never answered: ${inspect(odd)}, number ${ODD.indexOf(odd)}`)),
      PATIENCE_MILLIS,
    )
  })
  const [query, values] = [odd[0], odd[1]]
  const answered = endOf(() =>
    form === 'promise'
      ? ask(target, ...odd)
      : new Promise<void>((resolve) => {
          ask(target, query, values ?? [], () => resolve())
        }),
  )
  try {
    await Promise.race([answered, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Every place is there to be taken, at once, by readers and writers; and the pool ends. */
async function expectWhole(pool: pg.Pool): Promise<void> {
  const { max } = pool.options
  const clients = await Promise.all(Array.from({ length: max }, () => pool.connect()))
  for (const text of ['select 1 as n', "insert into note (body) values ('whole') returning 1 as n"]) {
    for (const { rows } of await Promise.all(clients.map((client) => client.query(text))))
      expect(rows).toEqual([{ n: 1 }])
  }
  for (const client of clients) client.release()
  await expect.poll(() => [pool.idleCount, pool.waitingCount]).toEqual([pool.totalCount, 0])
  await pool.end()
  await expect.poll(() => pool.totalCount).toBe(0)
}

/** Where in the life of a pool an odd query is given. */
const PLACES: readonly [
  string,
  (pool: pg.Pool, act: (target: pg.Pool | pg.PoolClient) => Promise<void>) => Promise<void>,
][] = [
  ['to the pool', (pool, act) => act(pool)],
  ['as the first statement of a lease', (pool, act) => leased(pool, [], act)],
  ['as a later statement of a lease', (pool, act) => leased(pool, ['select 1'], act)],
  ['behind a write on a lease', (pool, act) => leased(pool, ["insert into note (body) values ('x')"], act)],
  ['in a transaction that no server has begun', (pool, act) => leased(pool, ['begin'], act)],
  ['in an open transaction', (pool, act) => leased(pool, ['begin', "insert into note (body) values ('x')"], act)],
  ['in a transaction on a replica', (pool, act) => leased(pool, ['begin read only', 'select 1'], act)],
]

async function leased(
  pool: pg.Pool,
  before: readonly string[],
  act: (target: pg.PoolClient) => Promise<void>,
): Promise<void> {
  const client = await pool.connect()
  for (const text of before) await client.query(text)
  await act(client)
  // Whatever that was, the client answers: it goes on, or says why not.
  await give(client, ['select 1'], 'promise')
  await give(client, ['rollback'], 'promise')
  client.release()
}

describe.each(PLACES)('R10: odd queries, %s', (_name, place) => {
  it.each(['promise', 'callback'] as const)('in the form with a %s, are answered, and cost no place', async (form) => {
    const pool = world.pool('ams', { max: 2 })
    for (const odd of ODD) await place(pool, (target) => give(target, odd, form))
    await expectWhole(pool)
  })

  it('many at once, in any order, are answered, and cost no place', async () => {
    const pool = world.pool('ams', { max: 2 })
    const turns = ODD.map((odd, turn) => [odd, (turn * 7919) % ODD.length] as const).sort(([, a], [, b]) => a - b)
    for (let from = 0; from < turns.length; from += 12) {
      const some = turns.slice(from, from + 12)
      await Promise.all(some.map(([odd]) => place(pool, (target) => give(target, odd, 'promise'))))
    }
    await expectWhole(pool)
  })
})

describe('R10: code of the app that throws', () => {
  const WRITE = "insert into note (body) values ('x')"

  it.each([
    [
      'a class of clients',
      {
        Client: class extends pg.Client {
          constructor() {
            super()
            thrower()
          }
        },
      },
    ],
    ['verify', { verify: thrower }],
    ['onConnect', { onConnect: thrower }],
    ['a function for the password', { password: thrower }],
  ] as const)('%s: rejects the query, holds up nothing, and the pool ends', async (name, options) => {
    const pool = world.pool('ams', { max: 1, promotionWaitMillis: 0, ...(options as pg.PoolConfig) })
    const isAsked = name !== 'a function for the password'
    for (const text of [WRITE, 'select 1', 'begin']) {
      for (const holder of ['pool', 'client'] as const) {
        const client = holder === 'client' ? await pool.connect() : undefined
        const target = client ?? pool
        const end = await endOf(async () => {
          await target.query(text)
          if (text === 'begin') await target.query(WRITE)
        })
        // Nobody asks for the password of a server that trusts everybody.
        if (isAsked) expect(end).toBe('rejects with Error: thrown by the app')
        client?.release()
      }
    }
    await pool.end()
    expect(pool.totalCount).toBe(0)
  })

  it.each(['connect', 'acquire', 'release', 'remove'] as const)(
    'a listener of the pool’s %s: costs no place',
    async (event) => {
      const pool = world.pool('ams', { max: 1 })
      pool.once(event, thrower)
      const thrown = await thrownToTheProcess(async () => {
        const client = await pool.connect()
        await client.query(WRITE)
        client.release(event === 'remove')
      })
      expect(thrown).toMatchObject({ message: 'thrown by the app' })
      await expectWhole(pool)
    },
  )

  it.each(['notice', 'notification', 'error', 'end', 'drain'] as const)(
    'a listener of a client’s %s: costs no place',
    async (event) => {
      const application_name = `throws-${event}`
      const pool = world.pool('ams', { max: 1, application_name })
      const client = await pool.connect()
      await client.query('listen news')
      client.once(event as 'notice', thrower)
      const thrown = await thrownToTheProcess(async () => {
        await client.query("do $$ begin raise warning 'mind'; end $$; notify news")
        if (event === 'error' || event === 'end')
          await world.admin.query(
            'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
            [application_name],
          )
      })
      expect(thrown).toMatchObject({ message: 'thrown by the app' })
      await give(client, ['select 1 as n'], 'promise')
      client.release()
      await expectWhole(pool)
    },
  )
})
