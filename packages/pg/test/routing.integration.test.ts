import {
  diagnostics,
  ReplayToPrimary,
  type RouteEvent,
  WriteOnReplica,
  withPrimary,
  withReplica,
} from '@headwater/core'
import { inJob, inRequest, untilHome, WHO, World, who } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutedPool } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const leased = async <T>(pool: RoutedPool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect()
  try {
    return await use(client)
  } finally {
    client.release()
  }
}

describe('at home', () => {
  let pool: RoutedPool
  beforeAll(async () => {
    pool = await world.informedPool('ams')
  })
  beforeEach(() => untilHome(pool))

  it('R1: a read goes to the local replica; a write and an unknown statement go to the primary', async () => {
    expect(await who(pool)).toBe('nrt')
    await pool.query("insert into note (body) values ('R1')")
    expect(await world.notes('R1')).toBe(1)
    await pool.query("select write_note('R1 unknown')")
    expect(await world.notes('R1 unknown')).toBe(1)
  })

  it('R2: a statement that a standby would accept and decide alone goes to the primary', async () => {
    const [mine] = (await leased(pool, (client) => client.query('select pg_try_advisory_lock(42) as got'))).rows
    expect(mine).toEqual({ got: true })
    // Held at the primary: a session there does not get it.
    const held = await world.admin.query(
      "select count(*)::int as held from pg_locks where locktype = 'advisory' and objid = 42",
    )
    expect(held.rows).toEqual([{ held: 1 }])
  })

  it('R4: after a write every read in the scope goes to the primary; outside it, to the local replica again', async () => {
    await inJob(async () => {
      expect(await who(pool)).toBe('nrt')
      await pool.query("insert into note (body) values ('R4')")
      expect(await who(pool)).toBe('primary')
      await leased(pool, async (client) => expect(await who(client)).toBe('primary'))
    })
    expect(await who(pool)).toBe('nrt')
  })

  it('R4: the scope is marked before the write is sent, so a read beside it is at the primary too', async () => {
    await inJob(async () => {
      const write = pool.query("insert into note (body) select 'slow' from pg_sleep(0.1)")
      expect(await who(pool)).toBe('primary')
      await write
    })
  })

  it('R6: withPrimary and withReplica force the route, and a write inside withReplica reaches no database', async () => {
    expect(await withPrimary(() => who(pool))).toBe('primary')
    await inJob(async () => {
      await pool.query("insert into note (body) values ('R6')")
      expect(await withReplica(() => who(pool))).toBe('nrt')
    })
    await expect(withReplica(() => pool.query("insert into note (body) values ('R6 refused')"))).rejects.toThrow(
      WriteOnReplica,
    )
    await expect(withReplica(() => pool.query("select write_note('R6 refused')"))).rejects.toThrow(WriteOnReplica)
    expect(await world.notes('R6 refused')).toBe(0)
  })

  it('R6: withPrimary in a transaction that has read on a replica gets no answer of that replica', async () => {
    const away = await world.informedPool('nrt')
    const reading = inRequest(away, () =>
      leased(away, async (client) => {
        await client.query('begin')
        expect(await who(client)).toBe('nrt')
        return withPrimary(() => who(client))
      }),
    )
    await expect(reading).rejects.toMatchObject({ name: 'ReplayToPrimary', reason: 'forced-primary' })
    await leased(pool, async (client) => {
      await client.query('begin read only')
      expect(await who(client)).toBe('nrt')
      await expect(withPrimary(() => who(client))).rejects.toThrow(WriteOnReplica)
      // Nothing was sent, and what ends the transaction stays in it.
      expect(await withPrimary(() => client.query('commit'))).toMatchObject({ command: 'COMMIT' })
    })
  })

  it('R7: every decision has a reason, which is published', async () => {
    const seen: string[] = []
    const listen = (event: unknown) => seen.push((event as RouteEvent).decision.reason)
    diagnostics.route.subscribe(listen)
    await pool.query(WHO)
    await pool.query('select pg_advisory_unlock_all()')
    diagnostics.route.unsubscribe(listen)
    expect(seen).toEqual(['read', 'write'])
  })

  it('R6: inside withReplica the replica says which server it is, and how far; outside it is the primary', async () => {
    const questions = [
      'select pg_is_in_recovery() as answer',
      "select current_setting('in_hot_standby')::bool as answer",
      'select pg_last_wal_replay_lsn() is not null and pg_last_xact_replay_timestamp() is not null as answer',
      `select inet_server_port() = ${new URL(world.replica().url).port} as answer`,
      'select count(*) = 1 as answer from pg_stat_wal_receiver',
    ]
    const answers = (target: RoutedPool | pg.PoolClient) => async () => {
      const rows: unknown[] = []
      for (const text of questions) rows.push((await target.query(text)).rows[0].answer)
      rows.push((await target.query('show transaction_read_only')).rows[0].transaction_read_only === 'on')
      return rows
    }
    const onReplica = [...questions, 'show'].map(() => true)
    const onPrimary = onReplica.map(() => false)
    await inJob(async () => {
      await pool.query("insert into note (body) values ('asked')")
      expect(await withReplica(answers(pool))).toEqual(onReplica)
      expect(await answers(pool)()).toEqual(onPrimary)
      await leased(pool, async (client) => {
        expect(await withReplica(answers(client))).toEqual(onReplica)
        await client.query('begin')
        expect(await withReplica(answers(client))).toEqual(onReplica)
        await client.query('commit')
        expect(await answers(client)()).toEqual(onPrimary)
      })
    })
    const refused = [
      'select pg_is_in_recovery(), pg_advisory_lock(1)',
      'select pg_is_in_recovery(); listen news',
      'create temp table t as select pg_is_in_recovery()',
      "select nextval('note_id_seq'), pg_is_in_recovery()",
      'select pg_reload_conf()',
    ]
    for (const text of refused) await expect(withReplica(() => pool.query(text))).rejects.toThrow(WriteOnReplica)
  })
  it('R6: a write inside withReplica is refused in a transaction at the primary too, which goes on', async () => {
    await leased(pool, async (client) => {
      await client.query('begin')
      await client.query("insert into note (body) values ('R6 outer')")
      const inner = withReplica(() => client.query("insert into note (body) values ('R6 inner')"))
      await expect(inner).rejects.toThrow(WriteOnReplica)
      await client.query('commit')
    })
    expect([await world.notes('R6 outer'), await world.notes('R6 inner')]).toEqual([1, 0])
  })
  it('R8: opt-in routing reads from the replica only inside withReplica; eventual consistency also after a write', async () => {
    const optIn = await world.informedPool('ams', { routing: 'opt-in' })
    expect(await who(optIn)).toBe('primary')
    expect(await withReplica(() => who(optIn))).toBe('nrt')
    const eventual = await world.informedPool('ams', { consistency: 'eventual' })
    await inJob(async () => {
      await eventual.query("insert into note (body) values ('R8')")
      expect(await who(eventual)).toBe('nrt')
    })
  })
})

describe('transactions', () => {
  it('R3: READ ONLY runs on the replica to its end, at home and away, also when READ ONLY comes as a second statement', async () => {
    for (const region of ['ams', 'nrt'] as const) {
      await leased(await world.informedPool(region), async (client) => {
        await client.query('begin read only')
        expect([await who(client), await who(client)]).toEqual(['nrt', 'nrt'])
        await client.query('commit')
        await client.query('begin')
        await client.query('set transaction isolation level repeatable read, read only')
        expect(await who(client)).toBe('nrt')
        expect((await client.query('show transaction_isolation')).rows).toEqual([
          { transaction_isolation: 'repeatable read' },
        ])
        await client.query('commit')
      })
    }
  })

  it('R3: a plain transaction in the primary’s region runs at the primary, including its reads', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      const begun = await client.query('BEGIN')
      expect(begun).toMatchObject({ command: 'BEGIN', rowCount: null, rows: [] })
      expect(client.getTransactionStatus()).toBe('T')
      expect(await who(client)).toBe('primary')
      await client.query("insert into note (body) values ('R3')")
      const committed = await client.query('COMMIT')
      expect(committed.command).toBe('COMMIT')
      expect(client.getTransactionStatus()).toBe('I')
    })
    expect(await world.notes('R3')).toBe(1)
  })

  it('R3: away, a transaction that only reads stays on the local replica; one that writes is replayed and leaves no trace', async () => {
    const pool = await world.informedPool('nrt')
    await inRequest(pool, () =>
      leased(pool, async (client) => {
        await client.query('begin')
        expect(await who(client)).toBe('nrt')
        expect(await who(client)).toBe('nrt')
        await client.query('commit')
      }),
    )
    await inRequest(pool, () =>
      leased(pool, async (client) => {
        await client.query('begin')
        expect(await who(client)).toBe('nrt')
        await expect(client.query("insert into note (body) values ('R3 away')")).rejects.toThrow(ReplayToPrimary)
        await client.query('rollback')
      }),
    )
    expect(await world.notes('R3 away')).toBe(0)
  })

  it('R3: SERIALIZABLE and READ WRITE are replayed at BEGIN, before any statement', async () => {
    const pool = world.pool('nrt')
    for (const text of [
      'begin isolation level serializable',
      'start transaction read write',
      'BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE',
    ]) {
      await inRequest(pool, () =>
        leased(pool, async (client) => expect(client.query(text)).rejects.toThrow(ReplayToPrimary)),
      )
    }
    expect(pool.totalCount).toBe(0)
  })

  it('R3: SERIALIZABLE in the primary’s region runs at the primary', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      await client.query('begin isolation level serializable read only')
      expect(await who(client)).toBe('primary')
      await client.query('commit')
    })
  })

  it('R3: outside a request, away, a read-write transaction runs at the primary from its first read on', async () => {
    await leased(await world.informedPool('nrt'), async (client) => {
      await client.query('begin')
      expect(await who(client)).toBe('primary')
      await client.query("insert into note (body) values ('R3 job')")
      await client.query('commit')
    })
    expect(await world.notes('R3 job')).toBe(1)
  })

  it('R3: an empty transaction costs no connection, and savepoints before the first statement are kept', async () => {
    const pool = world.pool('ams')
    await leased(pool, async (client) => {
      await client.query('begin')
      await client.query('commit')
      expect(pool.totalCount).toBe(0)
      await client.query('begin')
      await client.query('savepoint a')
      await client.query("insert into note (body) values ('undone')")
      await client.query('rollback to savepoint a')
      await client.query("insert into note (body) values ('savepoint')")
      await client.query('commit and chain')
      await client.query("insert into note (body) values ('chained')")
      await client.query('rollback')
    })
    expect([await world.notes('undone'), await world.notes('savepoint'), await world.notes('chained')]).toEqual([
      0, 1, 0,
    ])
  })

  it('R3: a failed transaction answers as Postgres does, and COMMIT rolls it back', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      await client.query('begin')
      await client.query("insert into note (body) values ('failed')")
      await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
      expect(client.getTransactionStatus()).toBe('E')
      await expect(client.query(WHO)).rejects.toMatchObject({ code: '25P02' })
      expect((await client.query('commit')).command).toBe('ROLLBACK')
    })
    expect(await world.notes('failed')).toBe(0)
  })

  it('R3: a write in READ ONLY fails as it would on the primary; a lock that needs the primary is refused with advice', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      await client.query('begin read only')
      expect(await who(client)).toBe('nrt')
      await expect(client.query("select write_note('x')")).rejects.toMatchObject({ code: '25006' })
      await client.query('rollback')
      await client.query('begin read only')
      expect(await who(client)).toBe('nrt')
      await expect(client.query('select pg_advisory_xact_lock(1)')).rejects.toThrow(WriteOnReplica)
      await client.query('rollback')
      expect(await who(client)).toBe('nrt')
    })
  })

  it('R3: SET LOCAL stays inside its transaction, on the replica too', async () => {
    await leased(await world.informedPool('nrt'), async (client) => {
      await client.query('begin read only')
      await client.query("set local app.tenant = '7'")
      expect((await client.query("select current_setting('app.tenant') as tenant, who from server")).rows).toEqual([
        { tenant: '7', who: 'nrt' },
      ])
      await client.query('commit')
    })
  })

  it('R5: a read beside an open transaction, through the pool, sees what the scope has written', async () => {
    const pool = await world.informedPool('ams')
    await inJob(() =>
      leased(pool, async (client) => {
        await client.query('begin')
        await client.query("insert into note (body) values ('R5')")
        expect(await who(pool)).toBe('primary')
        await client.query('commit')
      }),
    )
  })

  it('prepared statements and session settings keep a leased client with the primary', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      expect(await who(client)).toBe('nrt')
      await client.query("set app.tenant = '9'")
      expect((await client.query("select current_setting('app.tenant') as tenant, who from server")).rows).toEqual([
        { tenant: '9', who: 'primary' },
      ])
      await client.query('prepare p as select 1 as one')
      expect((await client.query('execute p')).rows).toEqual([{ one: 1 }])
      await client.query('deallocate p')
      await client.query('reset app.tenant')
    })
  })

  it('kysely-replication: a connection that has read on a replica can still write', async () => {
    await leased(await world.informedPool('ams'), async (client) => {
      expect(await who(client)).toBe('nrt')
      await client.query("insert into note (body) values ('pinned')")
      expect(await who(client)).toBe('primary')
    })
    expect(await world.notes('pinned')).toBe(1)
  })

  it('a cursor inside a transaction reads its snapshot on the replica', async () => {
    await leased(await world.informedPool('nrt'), async (client) => {
      await client.query('begin read only')
      await client.query('declare c cursor for select 1 as n union all select 2')
      expect((await client.query('fetch 1 from c')).rows).toEqual([{ n: 1 }])
      await client.query('close c')
      expect(await who(client)).toBe('nrt')
      await client.query('commit')
    })
  })
})
