import pg from 'pg'
import { type Area, ask, calledWith, endOf, rowsOf, withClient } from './row.ts'

const PARAMETER = 'select $1::text as v'
const NO_TEXT = 'A query must have either text or a name. Supplying neither is unsupported.'

/** The forms of a query, given to the pool and to a client. */
export const QUERIES: Area = {
  title: 'Forms of query()',
  rows: (['pool', 'client'] as const).flatMap((holder) => {
    const on = (run: (target: pg.Pool | pg.PoolClient) => Promise<unknown>) => (subject: { open(): pg.Pool }) =>
      holder === 'pool' ? run(subject.open()) : withClient(subject.open(), run)
    const says = (what: string): string => `\`${holder}.query\`: ${what}`
    return [
      {
        says: says('text; text and values; a configuration; a configuration and values, which win'),
        run: on(async (target) => [
          await rowsOf(target, 'select 1 as v'),
          await rowsOf(target, PARAMETER, ['a']),
          await rowsOf(target, { text: PARAMETER, values: ['b'] }),
          await rowsOf(target, { text: PARAMETER, values: ['b'] }, ['c']),
        ]),
        gives: [[{ v: 1 }], [{ v: 'a' }], [{ v: 'b' }], [{ v: 'c' }]],
      },
      {
        says: says('values that are falsy are none'),
        run: on(async (target) => {
          const ends: string[] = []
          for (const nothing of [undefined, null, 0, '', false])
            ends.push(await endOf(() => ask(target, 'select 1', nothing)))
          return ends
        }),
        gives: Array.from({ length: 5 }, () => 'is answered'),
      },
      {
        says: says('values that are no array reject'),
        run: on(async (target) => {
          const ends: string[] = []
          for (const odd of ['text', 5, true, { length: 1, 0: 'a' }, new Set(['a'])]) {
            ends.push(await endOf(() => ask(target, PARAMETER, odd)))
            ends.push(await endOf(() => ask(target, { text: PARAMETER, values: odd })))
          }
          return [...new Set(ends)]
        }),
        gives: ['rejects with Error: Query values must be an array'],
      },
      {
        says: says('values for a text without parameters reject (08P01)'),
        run: on((target) => endOf(() => ask(target, 'select 1', [1]))),
        gives: 'rejects with 08P01',
      },
      {
        says: says('values for BEGIN reject, as for any text'),
        run: on(async (target) => [
          await endOf(() => ask(target, 'begin', [1])),
          await endOf(() => ask(target, 'begin', 'no array')),
        ]),
        gives: ['rejects with 08P01', 'rejects with Error: Query values must be an array'],
      },
      {
        says: says('what is changed in a configuration after the call'),
        run: on(async (target) => {
          const query = { text: PARAMETER, values: ['first'] }
          const first = rowsOf(target, query)
          query.values = ['second']
          const second = rowsOf(target, query)
          query.values = ['third']
          return Promise.all([first, second])
        }),
        gives: holder === 'pool' ? [[{ v: 'third' }], [{ v: 'third' }]] : [[{ v: 'first' }], [{ v: 'second' }]],
        ...(holder === 'client'
          ? {}
          : {
              differs: {
                here: 'does not matter, as on a client',
                why: 'a query says what it said when it was given',
                gives: [[{ v: 'first' }], [{ v: 'second' }]],
              },
            }),
      },
      {
        says: says('a configuration is not written into'),
        run: on((target) => rowsOf(target, Object.freeze({ text: PARAMETER, values: Object.freeze(['a']) }))),
        gives: [{ v: 'a' }],
      },
      {
        says: says(
          'a callback, behind the text, the values or in the configuration; it is called once, with no error and the result',
        ),
        run: on(async (target) => {
          const text = await calledWith((callback) => ask(target, 'select 1 as v', callback))
          const values = await calledWith((callback) => ask(target, PARAMETER, ['a'], callback))
          const config = await calledWith((callback) => ask(target, { text: PARAMETER, values: ['b'] }, callback))
          return [text, values, config].map(([error, result]) => [Boolean(error), (result as pg.QueryResult).rows])
        }),
        gives: [
          [false, [{ v: 1 }]],
          [false, [{ v: 'a' }]],
          [false, [{ v: 'b' }]],
        ],
      },
      {
        says: says('the callback of an error gets a database error, and no result'),
        run: on(async (target) => {
          const [error, result] = await calledWith((callback) => ask(target, 'select 1/0', callback))
          return [error instanceof pg.DatabaseError, result]
        }),
        gives: [true, undefined],
      },
      {
        says: says('with a callback nothing is returned'),
        run: on(async (target) => {
          let returned: unknown = 'not called'
          await calledWith((callback) => {
            returned = ask(target, 'select 1', callback)
          })
          return returned
        }),
        gives: undefined,
      },
      {
        says: says('no query at all'),
        run: on(async (target) => [await endOf(() => ask(target)), await endOf(() => ask(target, null))]),
        gives:
          holder === 'pool'
            ? Array.from({ length: 2 }, () => 'rejects with TypeError: Client was passed a null or undefined query')
            : Array.from({ length: 2 }, () => 'throws TypeError: Client was passed a null or undefined query'),
      },
      {
        says: says('a number, `true`, an empty object, an array and a text that is undefined reject'),
        run: on(async (target) => {
          const ends: string[] = []
          for (const odd of [5, true, {}, [], { text: undefined }, { text: null, values: [1] }])
            ends.push(await endOf(() => ask(target, odd)))
          return [...new Set(ends)]
        }),
        gives: [`rejects with Error: ${NO_TEXT}`],
      },
      {
        says: says('a getter that throws in a configuration'),
        run: on(async (target) => {
          const ends: string[] = []
          for (const name of ['text', 'values', 'name', 'rowMode', 'types']) {
            const odd = { text: 'select 1' }
            Object.defineProperty(odd, name, {
              get: () => {
                throw new Error('of a getter')
              },
            })
            ends.push(await endOf(() => ask(target, odd)))
          }
          return [...new Set(ends)]
        }),
        gives: [holder === 'pool' ? 'rejects with Error: of a getter' : 'throws Error: of a getter'],
      },
      {
        says: says('a configuration made by a class with getters (SQL template libraries)'),
        run: on((target) => {
          class Sql {
            get text(): string {
              return PARAMETER
            }
            get values(): string[] {
              return ['by a getter']
            }
          }
          return rowsOf(target, new Sql())
        }),
        gives: [{ v: 'by a getter' }],
      },
      {
        says: says('several statements in one text give an array of results'),
        run: on(async (target) => {
          const results = (await ask(target, 'select 1 as v; select 2 as v')) as pg.QueryResult[]
          return results.map(({ rows }) => rows)
        }),
        gives: [[{ v: 1 }], [{ v: 2 }]],
      },
      {
        says: says('an empty text, and one of comments alone, give an empty result'),
        run: on(async (target) => {
          const empty: unknown[] = []
          for (const text of ['', '  ;', '-- nothing']) {
            const { command, rowCount, rows } = (await ask(target, text)) as pg.QueryResult
            empty.push([command, rowCount, rows])
          }
          return empty
        }),
        gives: Array.from({ length: 3 }, () => [null, null, []]),
      },
      {
        says: says('a name prepares the statement, which is sent again by the same text'),
        run: on(async (target) => {
          const query = (v: string) => rowsOf(target, { name: `named-${holder}`, text: PARAMETER, values: [v] })
          return [await query('a'), await query('b')]
        }),
        gives: [[{ v: 'a' }], [{ v: 'b' }]],
      },
      {
        says: says('a name that stands for two texts rejects'),
        run: on(async (target) => {
          await ask(target, { name: 'two', text: 'select 1 as v' })
          return endOf(() => ask(target, { name: 'two', text: 'select 2 as v' }))
        }),
        gives: "rejects with Error: Prepared statements must be unique - 'two' was used for a different statement",
      },
      {
        says: says('`queryMode: "extended"` takes one statement alone (42601)'),
        run: on(async (target) => [
          await endOf(() => ask(target, { text: 'select 1; select 2', queryMode: 'extended' })),
          await rowsOf(target, { text: 'select 1 as v', queryMode: 'extended' }),
        ]),
        gives: ['rejects with 42601', [{ v: 1 }]],
      },
      {
        says: says('`rows` fetches in parts, and gives all; `portal` names the portal'),
        run: on(async (target) => {
          const all = (await rowsOf(target, { text: 'select n from generate_series(1, 5) n', rows: 2 })) as unknown[]
          return [all.length, await rowsOf(target, { text: 'select $1::int as v', values: [1], portal: 'door' })]
        }),
        gives: [5, [{ v: 1 }]],
      },
      {
        says: says('`binary: true` gives what the parsers make of binary values'),
        run: on((target) => rowsOf(target, { text: 'select $1::int4 as v', values: [7], binary: true })),
        gives: [{ v: 7 }],
      },
      {
        says: says('`query_timeout` of a configuration rejects'),
        run: on((target) => endOf(() => ask(target, { text: 'select pg_sleep(0.3)', query_timeout: 50 }))),
        gives: 'rejects with Error: Query read timeout',
      },
      {
        says: says('a callback that is no function'),
        run: on((target) => endOf(() => ask(target, { text: 'select 1', callback: 5 }))),
        gives: holder === 'pool' ? 'is answered' : 'throws TypeError: callback is not a function',
        ...(holder === 'client'
          ? {}
          : {
              differs: {
                here: 'rejects: `callback is not a function`',
                why: 'one rule for both, and no argument is dropped',
                gives: 'rejects with TypeError: callback is not a function',
              },
            }),
      },
    ]
  }),
}
