import type pg from 'pg'

/** All that an answer, or an error, says. */
export async function saidOf(run: () => unknown): Promise<unknown> {
  try {
    const { command, rowCount, oid, rows, fields } = (await run()) as pg.QueryResult
    return { command, rowCount, oid, rows, fields: fields.map((field) => ({ ...field })) }
  } catch (error) {
    const { message, name, ...fields } = { ...Object(error), message: Object(error).message, name: Object(error).name }
    // The server counts its source lines, and pg its bytes, whatever the message.
    return { error: { message, name, ...fields, length: undefined } }
  }
}

/** Types, with values that they take and values that they refuse. */
export const VALUES: readonly (readonly [type: string, ...values: unknown[]])[] = [
  ['int2', 1, -32768, '7', null],
  ['int4', 1, -5, '7', true, '', 1.5, {}],
  ['int8', '9007199254740993', 12n, null],
  ['float4', 1.5, 'NaN', Number.POSITIVE_INFINITY],
  ['float8', 0.1, -0, 1e300, 'nothing'],
  ['numeric', '123456789012345678901234567890.5', 1e21, 'NaN'],
  ['money', 12.5],
  ['bool', true, false, 't', 'x'],
  [
    'text',
    'a',
    '',
    "it's",
    'é漢😀',
    'x'.repeat(100),
    '漢'.repeat(40),
    '漢'.repeat(10),
    undefined,
    5,
    new Date(0),
    '\\',
  ],
  ['varchar(3)', 'abcdef', 'ab'],
  ['char(3)', 'a'],
  ['name', 'n'],
  ['bytea', Buffer.from([0, 1, 255]), new Uint8Array([1, 2]), Buffer.alloc(0), '\\x01', new Uint16Array([1])],
  ['date', '2020-01-31', new Date(1580428800000), 'infinity', '31.31.2020'],
  ['time', '12:34:56.789'],
  ['timetz', '12:34:56+03'],
  ['timestamp', '2020-01-31 12:00', new Date(5)],
  ['timestamptz', new Date(1e12), '-infinity', new Date(-1e14)],
  ['interval', '1 year 2 days 03:04:05.6'],
  ['uuid', '00000000-0000-0000-0000-00000000000f', 'no uuid'],
  ['json', { a: [1, null] }, '[1]', 'no json'],
  ['jsonb', { b: 1, a: 'é' }, JSON.stringify('x')],
  ['inet', '10.0.0.1/8'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['point', '(1,2)'],
  ['circle', '<(1,2),3>'],
  ['bit(3)', '101', '10'],
  ['int4[]', [1, 3], [[1], [2]], [], '{4}'],
  ['text[]', ['a', 'b"c', 'null', ''], ['{', '\\']],
  ['bytea[]', [Buffer.from([1]), Buffer.from([2])]],
  ['timestamptz[]', [new Date(0), new Date(1e12)]],
  ['int4range', '[1,5)'],
  ['tsvector', 'a b'],
  ['xml', '<a/>'],
  ['mood', 'wild', 'none'],
  ['pair', '(1,x)'],
  ['short', 'abc', 'abcd'],
  ['oid', 5],
  ['regclass', 'item', 'nothing'],
  [
    'json',
    { toPostgres: () => '{"own": true}' },
    {
      toPostgres: () => {
        throw new Error('of a value')
      },
    },
  ],
]

/** The forms of a query that change its answer. */
export const FORMS: Readonly<Record<string, object>> = {
  'as it is': {},
  'rows as arrays': { rowMode: 'array' },
  binary: { binary: true },
  'binary, rows as arrays': { binary: true, rowMode: 'array' },
  'own parsers': {
    types: { getTypeParser: (oid: number, format: string) => (value: string) => [oid, format, String(value)] },
  },
  'parsers that throw': {
    types: {
      getTypeParser: () => () => {
        throw new Error('of a parser')
      },
    },
  },
  extended: { queryMode: 'extended' },
}

/** Texts that are hot with the first values, and what others make of them. */
export const ERRORS: readonly (readonly [text: string, good: unknown[], ...bad: unknown[][]])[] = [
  ['select 10 / $1::int as v', [5], [0], ['x']],
  ['select $1::int + $2::int as v', [1, 2], [1], [1, 2, 3], [2147483647, 1], [[], {}], ['a', 'b']],
  [
    'insert into item (id, name) values ($1, $2) on conflict (id) do nothing',
    [1, 'x'],
    [1, null],
    [null, 'x'],
    ['x', 'y'],
    [9001, 'name 2'],
  ],
  ['update item set size = $2 where id = $1', [1, 5], [1, 'x'], [1, 99999]],
  ['update item set mood = $2 where id = $1', [1, 'wild'], [1, 'odd']],
  ['delete from item where id = $1 returning *', [-1], ['x']],
  ['select cast($1 as text)::int as v', ['1'], ['é'], ['x']],
  ['select name from item where id = $1 and name like $2', [1, '%'], [1, '\\']],
  ['select case when $1::int = 1 then 1 else (select id from item where id < 9) end as v', [1], [2]],
  ["select pg_sleep($1::float8 * 0 ), set_config('a.b', $2, true)", [0, 'x'], [0, '\0']],
  ['select shout($1) as v', ['hey'], ['you']],
  ['select * from item where id = $1 for update', [1], ['y']],
  ['with w as (update item set size = size where id = $1 returning id) select * from w', [2], ['x']],
  ['select from item where id <= $1', [3], ['x']],
  ['select id from item where id = any($1)', [[1, 2]], [['x']], ['{']],
  ['values ($1::int, $2::text), (2, null)', [1, 'a'], ['', 'a']],
]
