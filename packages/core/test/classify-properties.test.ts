import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import { ACCESS_RANK } from '../src/classify/names/knowledge.ts'
import { Lexer } from '../src/classify/sql/lexer.ts'
import { T } from '../src/classify/sql/tokens.ts'
import type { Statement } from '../src/statement/statement.ts'
import { STANDBY_TABLE } from './classify-standby-table.ts'

const STATEMENTS = Object.values(STANDBY_TABLE).flat()
const anyStatement = fc.constantFrom(...STATEMENTS)

interface Token {
  readonly kind: number
  readonly start: number
  readonly text: string
  /** What stands between the token before it and this one. */
  readonly gap: string
}

function tokensOf(sql: string): readonly Token[] {
  const lexer = new Lexer()
  lexer.open(sql)
  const tokens: Token[] = []
  let behind = 0
  for (;;) {
    const kind = lexer.next()
    tokens.push({
      kind,
      start: lexer.start,
      text: sql.slice(lexer.start, lexer.end),
      gap: sql.slice(behind, lexer.start),
    })
    behind = lexer.end
    if (kind === T.END) return tokens
  }
}

const rank = ({ access }: Statement): number => ACCESS_RANK[access]
const verdict = ({ access, reason, count, functions, isTransactionLocal, control }: Statement): unknown => ({
  access,
  reason,
  count,
  functions,
  isTransactionLocal,
  control,
})

const gap = fc.constantFrom(
  ' ',
  '\n',
  '\t\r\n',
  ' /* c */ ',
  '/**/',
  ' -- INSERT\n',
  "/* ' */",
  '/* /* $a$ */ */',
  '\f',
  ' --"\r',
)
const fragment = fc.constantFrom(
  ...[
    "'",
    '"',
    '$',
    '$$',
    '$a$',
    '/*',
    '*/',
    '--',
    '\n',
    '\\',
    "E'",
    "U&'",
    'U&"',
    '(',
    ')',
    '[',
    ']',
    ',',
    ';',
    '.',
    '::',
    ':=',
    '=>',
    '@',
    '-',
    '+',
    '*',
  ],
  ...[
    'select ',
    'with ',
    'insert into ',
    'update ',
    'for ',
    'as ',
    'explain ',
    'analyze ',
    'copy ',
    'declare ',
    'do ',
    'begin ',
    'end ',
    'exception ',
  ],
  ...[
    'operator(',
    'set_config(',
    'nextval(',
    'current_setting(',
    'x',
    '1',
    '0x',
    '1e',
    'é',
    '\u0000',
    '\ud800',
    'uescape ',
    'create function ',
    'to ',
  ],
)
const noise = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fragment, { maxLength: 25 }).map((parts) => parts.join('')),
  fc.tuple(anyStatement, fc.nat(200), fragment).map(([sql, at, part]) => sql.slice(0, at) + part + sql.slice(at)),
  fc.tuple(anyStatement, fc.nat(200)).map(([sql, at]) => sql.slice(0, at)),
)

describe('the lexer', () => {
  test('loses nothing: tokens and gaps make up the input, and a gap is whitespace and comments', () => {
    fc.assert(
      fc.property(noise, (sql) => {
        const tokens = tokensOf(sql)
        expect(tokens.map(({ text, gap: before }) => before + text).join('')).toBe(sql)
        for (const { gap: before, kind, text } of tokens) {
          if (kind !== T.END) expect(text).not.toBe('')
          // Not one regular expression: comments nest.
          if (!before.includes('/*')) expect(before).toMatch(/^(?:[ \t\n\r\f\v]|--[^\n\r]*)*$/)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ["'it''s' E'\\'' b'1' X'f' n'x' U&'\\0041'", [T.STRING, T.STRING, T.STRING, T.STRING, T.STRING, T.STRING]],
    ['$$a$$ $x$ $$ $x$ $é$b$é$', [T.STRING, T.STRING, T.STRING]],
    ['a$b$ c$$d', [T.WORD, T.WORD]],
    ["be'x'", [T.WORD, T.STRING]],
    ['1 1.5 .5 1e10 1.e-3 0xFF 1_000', new Array(7).fill(T.NUMBER)],
    ['1..2', [T.NUMBER, T.MARK, T.NUMBER]],
    ['$1 $23', [T.PARAMETER, T.PARAMETER]],
    ['a::b:=c=>d', [T.WORD, T.CAST, T.WORD, T.MARK, T.WORD, T.MARK, T.WORD]],
    ['1 <-- 2', [T.NUMBER, T.OPERATOR]],
    ['1 </* */ 2', [T.NUMBER, T.OPERATOR, T.NUMBER]],
    ['1 *-2', [T.NUMBER, T.OPERATOR, T.OPERATOR, T.NUMBER]],
    ['1 @-2', [T.NUMBER, T.OPERATOR, T.NUMBER]],
    ['"a""b".U&"c"', [T.QUOTED, T.DOT, T.QUOTED]],
  ])('reads %s', (sql, kinds) => {
    expect(tokensOf(sql).map(({ kind }) => kind)).toEqual([...kinds, T.END])
  })
})

describe('properties', () => {
  test('R1: whitespace and comments between tokens never change a verdict', () => {
    fc.assert(
      fc.property(anyStatement, fc.array(gap, { minLength: 1 }), (sql, gaps) => {
        const changed = tokensOf(sql)
          .map(({ text }, index) => (gaps[index % gaps.length] ?? ' ') + text)
          .join('')
        // A string and its UESCAPE or a token glued to the next one would be other tokens.
        expect(verdict(classify(changed))).toEqual(verdict(classify(sql)))
      }),
      { numRuns: 1500 },
    )
  })

  test('R1: the case of words never changes a verdict', () => {
    fc.assert(
      fc.property(anyStatement, fc.infiniteStream(fc.boolean()), (sql, upper) => {
        const changed = tokensOf(sql)
          .map(({ kind, text, gap: before }) => {
            const isUpper = upper.next().value
            return before + (kind === T.WORD ? (isUpper ? text.toUpperCase() : text.toLowerCase()) : text)
          })
          .join('')
        expect(verdict(classify(changed))).toEqual(verdict(classify(sql)))
      }),
      { numRuns: 1500 },
    )
  })

  test('R1: the verdict on a text is the maximum of its parts', () => {
    fc.assert(
      fc.property(fc.array(anyStatement, { maxLength: 6 }), (parts) => {
        const whole = classify(parts.join('\n;'))
        const alone = parts.map((part) => classify(part))
        expect(rank(whole)).toBe(Math.max(0, ...alone.map(rank)))
        expect(whole.count).toBe(alone.reduce((sum, { count }) => sum + count, 0))
      }),
      { numRuns: 1500 },
    )
  })

  const embeddable = STANDBY_TABLE.write.filter(
    (sql) => /^\(*(select|with|insert|update|delete|merge|table|values)\b/i.test(sql) && !sql.includes(';'),
  )
  const wrap = fc.constantFrom<(sql: string) => string>(
    (sql) => `WITH x AS (${sql}) SELECT * FROM x`,
    (sql) => `WITH RECURSIVE a AS (SELECT 1), x AS NOT MATERIALIZED (${sql}) TABLE x`,
    (sql) => `SELECT (${sql})`,
    (sql) => `SELECT EXISTS (${sql})`,
    (sql) => `SELECT * FROM (${sql}) AS q (a)`,
    (sql) => `SELECT lower((${sql})::text) FROM t`,
    (sql) => `SELECT ARRAY(${sql})`,
    (sql) => `SELECT 1 WHERE 1 IN (${sql}) ORDER BY 1`,
    (sql) => `((${sql}))`,
    (sql) => `(${sql}) UNION ALL SELECT 1`,
    (sql) => `COPY (${sql}) TO STDOUT (FORMAT csv)`,
    (sql) => `EXPLAIN ANALYZE ${sql}`,
    (sql) => `EXPLAIN (COSTS off, ANALYZE) ${sql}`,
    (sql) => `DECLARE c CURSOR FOR ${sql}`,
    (sql) => `PREPARE p AS ${sql}`,
    (sql) => `SELECT 1; ${sql}; SELECT 2`,
    (sql) => `BEGIN; ${sql}; COMMIT`,
    (sql) => `VALUES ((${sql}))`,
    (sql) => `SELECT 1 FROM t JOIN LATERAL (${sql}) l ON true`,
    (sql) => `SELECT CASE WHEN EXISTS (${sql}) THEN 1 END`,
    (sql) => `SELECT substring((${sql})::text FROM 1 FOR 2)`,
  )

  test('R1: a write inside anything that reads is never a read', () => {
    expect(embeddable.length).toBeGreaterThan(100)
    fc.assert(
      fc.property(fc.constantFrom(...embeddable), fc.array(wrap, { minLength: 1, maxLength: 1 }), (sql, wraps) => {
        const wrapped = wraps.reduce((inner, apply) => apply(inner), sql)
        expect({ wrapped, rank: rank(classify(wrapped)) }).toEqual({
          wrapped,
          rank: wrapped.startsWith('PREPARE') ? 2 : 3,
        })
      }),
      { numRuns: 2000 },
    )
  })

  const nest = fc.constantFrom<(sql: string) => string>(
    (sql) => `WITH x AS (${sql}) SELECT * FROM x`,
    (sql) => `SELECT (${sql})`,
    (sql) => `(${sql}) UNION SELECT 1`,
    (sql) => `SELECT * FROM (${sql}) q`,
  )
  test('R1: however deep it is nested', () => {
    fc.assert(
      fc.property(fc.constantFrom(...embeddable), fc.array(nest, { maxLength: 8 }), (sql, nests) => {
        expect(classify(nests.reduce((inner, apply) => apply(inner), sql)).access).toBe('write')
      }),
    )
  })

  test('nothing throws, and every verdict is one of ours', () => {
    fc.assert(
      fc.property(noise, (sql) => {
        const statement = classify(sql)
        expect(ACCESS_RANK[statement.access]).toBeDefined()
        if (statement.token !== undefined) expect(sql.startsWith(statement.token, statement.position)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('linear on any input', () => {
  const cpu = (): number => process.cpuUsage().user
  function best(sql: string): number {
    let least = Number.POSITIVE_INFINITY
    for (let run = 0; run < 3; run++) {
      const start = cpu()
      classify(sql)
      least = Math.min(least, cpu() - start)
    }
    return least
  }

  test.each([
    ...[
      '(',
      '[',
      "'",
      "''",
      "'\\",
      '"',
      '""',
      '$a$',
      '$a',
      '$',
      '/*',
      '--\n',
      'x(',
      'a.',
      '"a".',
      'U&"\\0061".',
      'with ',
      'update ',
    ],
    ...[
      'operator(',
      'set_config(',
      'current_setting(',
      "E'\\'",
      'for ',
      'as ',
      '::',
      'explain (',
      'é',
      ' ',
      ';',
      'f$$ ',
      'BEGIN ATOMIC ',
    ],
    ...[
      "E''\n",
      'a + ',
      '+-',
      'f(1), ',
      "'a'\n",
      "'\\', ",
      "f('update x', ",
      "f('insert into t'), ",
      'query_to_xml(',
      "table_to_xml('a', ",
    ],
    ...['; merge into t using s on a when matched then do nothing ', 'merge ', '; call f() '],
  ])('select %j over and over', (part) => {
    expectLinear((length) => `select ${part.repeat(Math.ceil(length / part.length))}`)
  })

  test.each([
    'execute ',
    "execute 'select 1'; ",
    "execute 'insert ' || x; ",
    'execute format(',
    "execute 'do ''begin perform 1; end'''; ",
    "x := 'a\\'; ",
    'set local a = 1; ',
    'commit; ',
    "execute 'select ' || x; q := 'lk(' || q; ",
    "execute x; x := y; select 'set ' into q; ",
    'c cursor ',
    'select c cursor (',
  ])('a body of %j over and over', (part) => {
    expectLinear((length) => `do $$ begin ${part.repeat(Math.ceil(length / part.length))} end $$`)
  })

  test('text that runs text that runs text', () => {
    expectLinear((length) => {
      const levels = Math.ceil(length / 24)
      let sql = ''
      for (let level = 0; level < levels; level++) sql += `do $a${level}$ begin execute `
      return sql
    })
    let nested = 'insert into t values (1)'
    for (let level = 0; level < 3; level++)
      nested = `do $a${level}$ begin execute $b${level}$${nested}$b${level}$; end $a${level}$`
    expect(classify(nested).access).toBe('write')
    for (let level = 3; level < 12; level++)
      nested = `do $a${level}$ begin execute $b${level}$${nested}$b${level}$; end $a${level}$`
    expect(classify(nested).access).not.toBe('read')
  })

  function expectLinear(build: (length: number) => string): void {
    classify(build(20_000))
    // Eight times the text: linear is 8, quadratic 64. The floor keeps the clock's grain out, and what else the machine
    // does only ever adds: one good try is enough.
    let ratio = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 6 && ratio >= 24; tries++) {
      ratio = Math.min(ratio, best(build(320_000)) / Math.max(best(build(40_000)), 2_000))
    }
    expect(ratio).toBeLessThan(24)
  }

  // A look ahead that stops at once in a small text shows only in a large one.
  test.each(['(insert a ', '(merge "a" '])('R2: 4 MB of %j', (part) => {
    const build = (length: number): string => part.repeat(Math.ceil(length / part.length))
    expect(best(build(4_000_000)) / Math.max(best(build(500_000)), 2_000)).toBeLessThan(24)
  })

  test('a dollar quote whose tag is half the text', () => {
    const tag = `$${'a'.repeat(100_000)}$`
    const start = cpu()
    expect(classify(`select ${tag}${'$aaaa'.repeat(20_000)}`).reason).toBe('syntax')
    expect(cpu() - start).toBeLessThan(1_000_000)
  })

  test('10 MB, 100,000 parentheses', () => {
    expect(classify(`select ${'a + 1, '.repeat(10_000_000 / 7)}1`).access).toBe('read')
    expect(classify(`select ${'('.repeat(100_000)}1${')'.repeat(100_000)}`).access).toBe('read')
    expect(classify(`select ${'('.repeat(100_000)}nextval('s')${')'.repeat(100_000)}`).access).toBe('write')
  })
})
