import pg from 'pg'
import { type Area, ask, call, endOf, rowsOf, withClient } from './row.ts'

const OWN_TYPES = { getTypeParser: () => (value: unknown) => `<${String(value)}>` }

/** What comes back, and how values travel. */
export const RESULTS: Area = {
  title: 'Values and results',
  rows: [
    {
      says: 'a result has `command`, `rowCount`, `oid`, `rows` and `fields`, and is of pg’s own class',
      run: async ({ open }) => {
        const result = await open().query('select 1 as one, null::text as none')
        const { command, rowCount, oid, rows, fields } = result
        const names = fields.map(({ name, dataTypeID, format }) => [name, dataTypeID, format])
        return [command, rowCount, oid, rows, names, result instanceof pg.Result]
      },
      gives: [
        'SELECT',
        1,
        null,
        [{ one: 1, none: null }],
        [
          ['one', 23, 'text'],
          ['none', 25, 'text'],
        ],
        true,
      ],
    },
    {
      says: 'a write has its command and its `rowCount`, and RETURNING its rows',
      run: async ({ open }) => {
        const pool = open()
        const { command, rowCount } = await pool.query("insert into note (body) values ('a'), ('b')")
        const returned = await rowsOf(pool, "insert into note (body) values ('c') returning body")
        return [command, rowCount, returned]
      },
      gives: ['INSERT', 2, [{ body: 'c' }]],
    },
    {
      says: 'BEGIN, SAVEPOINT, SET, RELEASE, ROLLBACK TO, COMMIT answer with their commands, no rows and no count',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const seen: unknown[] = []
          for (const text of [
            'begin',
            'savepoint a',
            'set transaction read write',
            'rollback to a',
            'release a',
            'commit',
            'start transaction',
            'rollback',
          ]) {
            const { command, rowCount, rows, fields, oid } = await client.query(text)
            seen.push([command, rowCount, rows, fields, oid])
          }
          return seen
        }),
      gives: ['BEGIN', 'SAVEPOINT', 'SET', 'ROLLBACK', 'RELEASE', 'COMMIT', 'START', 'ROLLBACK'].map((command) => [
        command,
        null,
        [],
        [],
        null,
      ]),
    },
    {
      says: 'BEGIN … COMMIT of a transaction with a statement in it answers the same',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const seen: unknown[] = []
          for (const text of ['begin', "insert into note (body) values ('x')", 'end'])
            seen.push((await client.query(text)).command)
          return seen
        }),
      gives: ['BEGIN', 'INSERT', 'COMMIT'],
    },
    {
      says: 'values come as pg parses them: bigint and numeric as text, dates, JSON, bytea and arrays',
      run: ({ open }) =>
        rowsOf(
          open(),
          `select 1::int8 as big, 1.50::numeric as exact, true as yes, '{"a": [1]}'::jsonb as json, '\\x00ff'::bytea as bytes,
            array[1, null, 3] as list, '2026-01-02T03:04:05Z'::timestamptz as at`,
        ),
      gives: [
        {
          big: '1',
          exact: '1.50',
          yes: true,
          json: { a: [1] },
          bytes: Buffer.from([0, 255]),
          list: [1, null, 3],
          at: new Date('2026-01-02T03:04:05Z'),
        },
      ],
    },
    {
      says: 'values are sent as pg sends them: undefined and null, dates, buffers, arrays, objects, bigints, `toPostgres`',
      run: ({ open }) =>
        rowsOf(
          open(),
          'select $1::text as a, $2::text as b, $3::timestamptz as c, $4::bytea as d, $5::int[] as e, $6::jsonb as f, $7::int8 as g, $8::text as h',
          [undefined, null, new Date(0), Buffer.from('x'), [1, [2]].flat(), { z: 1 }, 5n, { toPostgres: () => 'mine' }],
        ),
      gives: [{ a: null, b: null, c: new Date(0), d: Buffer.from('x'), e: [1, 2], f: { z: 1 }, g: '5', h: 'mine' }],
    },
    {
      says: 'two columns of one name: the last one is kept; `rowMode: "array"` gives both',
      run: async ({ open }) => {
        const pool = open()
        return [
          await rowsOf(pool, 'select 1 as a, 2 as a'),
          await rowsOf(pool, { text: 'select 1 as a, 2 as a', rowMode: 'array' }),
        ]
      },
      gives: [[{ a: 2 }], [[1, 2]]],
    },
    {
      says: '`types` of a configuration parse its result, and no other',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        return [await rowsOf(pool, { text: 'select 1 as v', types: OWN_TYPES }), await rowsOf(pool, 'select 1 as v')]
      },
      gives: [[{ v: '<1>' }], [{ v: 1 }]],
    },
    {
      says: '`types` of the pool parse all results',
      run: async ({ open }) => {
        const pool = open({ types: OWN_TYPES } as unknown as pg.PoolConfig)
        return [
          await rowsOf(pool, 'select 1 as v'),
          await withClient(pool, (client) => rowsOf(client, 'select 2 as v')),
        ]
      },
      gives: [[{ v: '<1>' }], [{ v: '<2>' }]],
    },
    {
      says: '`client.setTypeParser` holds for its later results, in a transaction too; `getTypeParser` gives it',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const parse = (value: string): string => `<${value}>`
          client.setTypeParser(23, parse)
          const before = await rowsOf(client, 'select 1 as v')
          await client.query('begin')
          const inside = await rowsOf(client, "insert into note (body) values ('x') returning 2 as v")
          await client.query('rollback')
          return [before, inside, client.getTypeParser(23) === parse]
        }),
      gives: [[{ v: '<1>' }], [{ v: '<2>' }], true],
    },
    {
      says: '`client.getTypeParser` gives what was set before the first statement too',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const parse = (value: string): string => value
          client.setTypeParser(23, parse)
          return [client.getTypeParser(23) === parse, client.getTypeParser(25) === pg.types.getTypeParser(25)]
        }),
      gives: [true, true],
    },
    {
      says: '`client.getTypeParser` knows the pool’s own `types`',
      run: ({ open }) =>
        withClient(open({ types: OWN_TYPES } as unknown as pg.PoolConfig), async (client) =>
          Reflect.apply(client.getTypeParser(23), undefined, ['7']),
        ),
      gives: '<7>',
    },
    {
      says: 'a type parser that throws rejects its query, and the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const types = {
            getTypeParser: () => () => {
              throw new Error('cannot be parsed')
            },
          }
          return [
            await endOf(() => ask(client, { text: 'select 1 as v', types })),
            await rowsOf(client, 'select 1 as v'),
          ]
        }),
      gives: ['rejects with Error: cannot be parsed', [{ v: 1 }]],
    },
    {
      says: 'a value whose `toPostgres` throws rejects its query, and the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const value = {
            toPostgres: () => {
              throw new Error('cannot be sent')
            },
          }
          return [await endOf(() => ask(client, 'select $1', [value])), await rowsOf(client, 'select 1 as v')]
        }),
      gives: ['rejects with Error: cannot be sent', [{ v: 1 }]],
    },
    {
      says: 'values without a form in JSON (a bigint in an object, a cycle) reject, and the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const cycle: Record<string, unknown> = {}
          cycle['self'] = cycle
          const ends = [
            await endOf(() => ask(client, 'select $1::json', [{ id: 1n }])),
            await endOf(() => ask(client, 'select $1::json', [cycle])),
          ]
          return [ends.map((end) => end.slice(0, 25)), await rowsOf(client, 'select 1 as v')]
        }),
      gives: [['rejects with TypeError: D', 'rejects with TypeError: C'], [{ v: 1 }]],
    },
    {
      says: 'what is sent is UTF-8: text comes back as it went',
      run: ({ open }) => rowsOf(open(), 'select $1::text as v', ['héllo 漢字 🦆']),
      gives: [{ v: 'héllo 漢字 🦆' }],
    },
    {
      says: '`pg.types.setTypeParser` holds for all',
      run: async ({ open }) => {
        const before = pg.types.getTypeParser(21)
        pg.types.setTypeParser(21, (value) => `<${value}>`)
        try {
          return await rowsOf(open(), 'select 1::int2 as v')
        } finally {
          pg.types.setTypeParser(21, before)
        }
      },
      gives: [{ v: '<1>' }],
    },
    {
      says: 'notices reach `client.on("notice")`, with their message and severity',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const heard: unknown[] = []
          client.on('notice', ({ message, severity }) => heard.push([severity, message]))
          await client.query("do $$ begin raise warning 'mind the gap'; end $$")
          return heard
        }),
      gives: [['WARNING', 'mind the gap']],
    },
    {
      says: 'notifications reach `client.on("notification")`',
      run: ({ open, world }) =>
        withClient(open(), async (client) => {
          const heard = new Promise((resolve) => client.once('notification', resolve))
          await client.query('listen news')
          await world.admin.query("notify news, 'hello'")
          const { channel, payload } = (await heard) as pg.Notification
          await client.query('unlisten news')
          return [channel, payload]
        }),
      gives: ['news', 'hello'],
    },
    {
      says: '`client.on("drain")` is called when nothing is left to be sent',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          let drained = 0
          client.on('drain', () => {
            drained += 1
          })
          await Promise.all([client.query('select 1'), client.query('select 2')])
          await new Promise(setImmediate)
          return drained
        }),
      gives: 1,
    },
    {
      says: '`client.on("end")` is called when its connection is closed',
      run: async ({ open }) => {
        const client = await open().connect()
        await client.query('select 1')
        const ended = new Promise((resolve) => client.once('end', () => resolve('ended')))
        await call(client, 'end')
        client.release()
        return ended
      },
      gives: 'ended',
    },
  ],
}
