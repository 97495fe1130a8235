import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { HotTexts } from '../src/driver/prepare/hot-texts.ts'
import { encodeRun, runMessages, toSendable, UNNAMED } from '../src/driver/prepare/messages.ts'
import { TextRecord } from '../src/driver/prepare/text-record.ts'

/** What pg itself writes for a statement: a named one it has parsed. */
function writtenByPg(name: string | undefined, values: unknown[], binary: boolean, text = 'select'): Buffer {
  const written: Buffer[] = []
  const connection = Object.create(pg.Connection.prototype)
  Object.assign(connection, {
    parsedStatements: name === undefined ? {} : { [name]: 'select' },
    submittedNamedStatements: {},
    stream: { writable: true, write: (bytes: Buffer) => written.push(Buffer.from(bytes)) },
  })
  const query = new (pg.Query as unknown as new (...given: unknown[]) => { submit(on: unknown): unknown })(
    { name, text, values, binary },
    undefined,
    () => undefined,
  )
  expect(query.submit(connection)).toBeNull()
  return Buffer.concat(written)
}

/** The parameters and the formats of a Bind, decoded; formats left out are text. */
function decodeBind(bytes: Buffer) {
  let at = 5
  const text = () => {
    const end = bytes.indexOf(0, at)
    const read = bytes.toString('utf8', at, end)
    at = end + 1
    return read
  }
  const int16 = () => {
    at += 2
    return bytes.readInt16BE(at - 2)
  }
  const portal = text()
  const statement = text()
  const formats = Array.from({ length: int16() }, int16)
  const values = Array.from({ length: int16() }, (_, index) => {
    const length = bytes.readInt32BE(at)
    at += 4 + Math.max(length, 0)
    return [length, formats[index] ?? 0, bytes.subarray(at - Math.max(length, 0), at).toString('hex')]
  })
  const results = Array.from({ length: int16() }, int16)
  expect(at).toBe(bytes.readInt32BE(1) + 1)
  return { portal, statement, values, results, rest: bytes.subarray(at).toString('hex') }
}

const VALUES: readonly unknown[][] = [
  [],
  [null, undefined, 1, 'a', '', true],
  ['é', '漢字', 'x'.repeat(31), 'x'.repeat(32), '漢'.repeat(31), '😀'.repeat(40), '\u007f\u0080'],
  [Buffer.from([1, 2, 3]), null, 'text', new Uint8Array([9])],
  [[1, 2], { a: 1 }, new Date(0), Number.NaN],
  Array.from({ length: 300 }, (_, n) => n),
]

describe('S1: the bytes of a run', () => {
  test.each(VALUES.flatMap((values) => [[values, false] as const, [values, true] as const]))(
    'mean the same as those of pg: %j, binary %s',
    (values, isBinary) => {
      if (toSendable === undefined) throw new Error('pg does not hand out its mapper')
      const name = 'hw_x'
      const run = { before: undefined, name: Buffer.from(name), values, map: toSendable, isBinary }
      expect(decodeBind(encodeRun({ ...run, describes: true }))).toEqual(
        decodeBind(writtenByPg(name, values, isBinary)),
      )
      const before = Buffer.from('before')
      const bytes = encodeRun({ ...run, before, describes: false })
      expect(bytes.subarray(0, 6)).toEqual(before)
      expect(decodeBind(bytes.subarray(6)).rest).toBe('450000000900000000005300000004')
    },
  )
})

describe('the bytes of a run of a text without a name', () => {
  test.each(['select $1', 'select \u007fé漢😀', `select '${'漢'.repeat(2_000)}'`])(
    'mean the same as those of pg: %s',
    (text) => {
      if (toSendable === undefined) throw new Error('pg does not hand out its mapper')
      const [ours, theirs] = [
        encodeRun({
          before: undefined,
          text,
          name: UNNAMED,
          values: [1],
          map: toSendable,
          isBinary: false,
          describes: true,
        }),
        writtenByPg(undefined, [1], false, text),
      ]
      const parse = 1 + theirs.readInt32BE(1)
      expect(ours.subarray(0, parse)).toEqual(theirs.subarray(0, parse))
      expect(decodeBind(ours.subarray(parse))).toEqual(decodeBind(theirs.subarray(parse)))
    },
  )

  test('have what goes behind it before their Sync', () => {
    if (toSendable === undefined) throw new Error('pg does not hand out its mapper')
    const run = { before: undefined, text: 'select', name: UNNAMED, values: [], map: toSendable, isBinary: false }
    const alone = encodeRun({ ...run, describes: true })
    const both = encodeRun({ ...run, describes: true, behind: runMessages('commit') })
    const sync = Buffer.from('S\0\0\0\u0004')
    expect(both).toEqual(Buffer.concat([alone.subarray(0, -5), runMessages('commit'), sync]))
  })
})

describe('S1: the texts that come back', () => {
  test('are known from the second time on, with the first one counted', () => {
    const texts = new HotTexts()
    expect([texts.note('select 1'), texts.find('select 1'), texts.size]).toEqual([undefined, undefined, 0])
    const record = texts.note('select 1')
    expect(record).toMatchObject({ text: 'select 1', uses: 1 })
    expect(texts.find('select 1')).toBe(record)
  })

  test('are not pushed out by ten thousand that never do', () => {
    const texts = new HotTexts()
    texts.note('select 1')
    const record = texts.note('select 1')
    for (let n = 0; n < 10_000; n += 1) texts.note(`select id, body as body_${n} from note`)
    expect(texts.find('select 1')).toBe(record)
    // A few share their numbers with one that came before.
    expect(texts.size).toBeLessThan(5_000)
  })
})

describe('S1: what can be prepared', () => {
  test.each([
    ['select 1', true],
    [' /* a */ -- b\n (select 1) union select 2;', true],
    ['WITH x AS (select 1) select * from x', true],
    ['insert into a values (1)', true],
    ['merge into a using b on true when matched then delete', true],
    ['table a', true],
    ['select 1; select 2', false],
    ['create table a (b int)', false],
    ['set a = 1', false],
    ['explain select 1', false],
    ['begin', false],
    ['selection', false],
  ])('%s: %s', (text, isPreparable) => {
    expect(new TextRecord(text).isPreparable).toBe(isPreparable)
  })

  test('a name is a hash: the same for the same text, and short enough for the server', () => {
    expect(new TextRecord('select 1').name).toBe(new TextRecord('select 1').name)
    expect(new TextRecord('select 1').name).not.toBe(new TextRecord('select 2').name)
    expect(new TextRecord('select 1').name.length).toBeLessThan(63)
  })
})
