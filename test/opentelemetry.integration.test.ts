import { createRequire } from 'node:module'
import { runInScope, Scope } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import QueryStream from 'pg-query-stream'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const tracer = provider.getTracer('test')
const instrumentation = new PgInstrumentation()
instrumentation.setTracerProvider(provider)

let world: World
let pool: RoutedPool

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // It patches pg when it is required, by whomever.
  const require = createRequire(import.meta.url)
  require('pg')
  require('pg-pool')
  world = await World.start()
  await world.change(
    `create function refused() returns int language sql as 'insert into note (body) values (''r'') returning 1'`,
  )
})
afterEach(() => exporter.reset())
afterAll(async () => {
  instrumentation.disable()
  context.disable()
  await world[Symbol.asyncDispose]()
})

/** Runs each piece of work in a span of its own, all at once. */
async function inSpans(works: Readonly<Record<string, () => Promise<unknown>>>): Promise<void> {
  const entries = Object.entries(works)
  await Promise.all(
    entries.map(([name, work]) =>
      tracer.startActiveSpan(name, async (span) => {
        try {
          await runInScope(new Scope(), work)
        } finally {
          span.end()
        }
      }),
    ),
  )
}

/** The names of the spans that the statements with this text ran in; `undefined` for one without a parent. */
function parentsOf(text: string): (string | undefined)[] {
  const spans = exporter.getFinishedSpans()
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]))
  const parentOf = (span: ReadableSpan) => byId.get(span.parentSpanContext?.spanId ?? '')
  return spans
    .filter(({ attributes }) => [attributes['db.statement'], attributes['db.query.text']].includes(text))
    .map((span) => parentOf(span)?.name)
}

test('R10: OpenTelemetry: a query is a child of its caller’s span, whoever opened or gave back its connection', async () => {
  pool = await world.informedPool('ams', { max: 1 })
  await inSpans({ opener: () => pool.query('select 0 as opener') })
  const ask = (n: number) => async () => {
    await pool.query(`select ${n} as first`)
    await pool.query(`select ${n} as second`)
  }
  await inSpans({ a: ask(1), b: ask(2), c: ask(3) })
  for (const [index, name] of ['a', 'b', 'c'].entries()) {
    expect(parentsOf(`select ${index + 1} as first`)).toEqual([name])
    expect(parentsOf(`select ${index + 1} as second`)).toEqual([name])
  }
})

test('R10: OpenTelemetry: the statements of a transaction are children of their caller’s span; its held BEGIN has none', async () => {
  pool = await world.informedPool('ams', { max: 1 })
  await inSpans({ opener: () => pool.query('select 0 as opener') })
  const transaction = (n: number) => async () => {
    const client = await pool.connect()
    try {
      await client.query('begin read only')
      // Three at once: the lease sends them one after the other.
      await Promise.all(['first', 'second', 'third'].map((name) => client.query(`select ${n} as ${name}`)))
      await client.query('commit')
    } finally {
      client.release()
    }
  }
  await inSpans({ a: transaction(1), b: transaction(2) })
  // It goes in the same write as the first statement (S2).
  expect(parentsOf('begin read only')).toEqual([])
  for (const [index, name] of ['a', 'b'].entries()) {
    for (const column of ['first', 'second', 'third']) {
      expect(parentsOf(`select ${index + 1} as ${column}`)).toEqual([name])
    }
  }
})

test('R10: OpenTelemetry: a statement that a replica refused is a child of its caller’s span at the primary too', async () => {
  pool = await world.informedPool('nrt', { max: 1, functions: { refused: 'unknown' } })
  await inSpans({ opener: () => pool.query('select 0 as opener') })
  await inSpans({ writer: () => pool.query('select refused()'), other: () => pool.query('select 1 as other') })
  expect(parentsOf('select refused()')).toEqual(['writer', 'writer'])
})

test('R10: OpenTelemetry: what a stream’s handlers do belongs to its caller’s span', async () => {
  pool = await world.informedPool('ams', { max: 1 })
  await inSpans({ opener: () => pool.query('select 0 as opener') })
  const seen: (string | undefined)[] = []
  const spanName = (): string | undefined => (trace.getActiveSpan() as unknown as ReadableSpan | undefined)?.name
  await inSpans({
    exporter: () =>
      new Promise<void>((resolve, reject) => {
        const stream = pool.query(new QueryStream('select n from generate_series(1, 3) n'))
        stream.on('data', () => seen.push(spanName())).on('end', () => seen.push(spanName()))
        stream.on('close', resolve).on('error', reject)
      }),
  })
  expect(seen).toEqual(['exporter', 'exporter', 'exporter', 'exporter'])
})

test('R10: OpenTelemetry: what the pool asks for itself is nobody’s child', async () => {
  pool = world.pool('ams', { max: 1 })
  await inSpans({ first: () => pool.query('select 1 as first') })
  await expect
    .poll(() =>
      exporter
        .getFinishedSpans()
        .some(({ attributes }) =>
          String(attributes['db.statement'] ?? attributes['db.query.text']).includes('pg_proc'),
        ),
    )
    .toBe(true)
  const children = exporter.getFinishedSpans().filter((span) => span.parentSpanContext !== undefined)
  expect(children.map(({ name }) => name).toSorted()).toEqual([
    'pg-pool.connect',
    'pg.connect',
    'pg.query:SELECT postgres',
  ])
})
