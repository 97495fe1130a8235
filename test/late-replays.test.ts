import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { promisify } from 'node:util'
import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createTransport, type ErrorEvent, NodeClient } from '@sentry/node'
import express from 'express'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { appThatFailsLate, type OnError } from './late-replays/app.ts'
import { QuietReplays } from './late-replays/opentelemetry.ts'
import { replaysAsInfo } from './late-replays/pino.ts'
import { withoutReplays } from './late-replays/sentry.ts'

/** Asks for what is replayed late, and for what fails by itself. */
async function askBoth(seen: OnError, around?: express.RequestHandler): Promise<void> {
  const server = appThatFailsLate(express, seen, around).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const replayed = await fetch(`${url}/note`)
    expect([replayed.status, replayed.headers.get('fly-replay')]).toEqual([409, expect.stringContaining('region=ams')])
    expect((await fetch(`${url}/broken`)).status).toBe(500)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('P3: Sentry is sent the bug and not the replay', async () => {
  const sent: ErrorEvent[] = []
  const client = new NodeClient({
    dsn: 'http://key@127.0.0.1/1',
    integrations: [],
    stackParser: () => [],
    transport: (options) => createTransport(options, async () => ({ statusCode: 200 })),
    beforeSend: (event, hint) => {
      const kept = withoutReplays(event, hint)
      if (kept !== null) sent.push(kept)
      return null
    },
  })
  client.init()
  await askBoth((error) => client.captureException(error))
  await client.close(1_000)
  const causes = sent.map((event) => JSON.stringify(event.exception ?? event))
  expect(causes).toHaveLength(1)
  expect(causes[0]).toContain('Failed query')
})

test('P3: pino writes a replay as one line of info, and the bug as an error', async () => {
  const lines: { level: number; msg: string; region?: string }[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    },
  })
  const logger = pino({ hooks: { logMethod: replaysAsInfo } }, sink)
  await askBoth((error) => {
    logger.error(error)
    logger.error({ err: error }, 'request failed')
  })
  expect(lines.map(({ level, msg, region }) => [level, msg, region])).toEqual([
    [30, 'replayed', 'ams'],
    [30, 'replayed', 'ams'],
    [50, expect.stringMatching(/^Failed query/), undefined],
    [50, 'request failed', undefined],
  ])
})

test('P3: OpenTelemetry counts the span of the bug as an error, and none of a replay', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new QuietReplays(new SimpleSpanProcessor(exporter))] })
  const tracer = provider.getTracer('test')
  const manager = new AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(manager)
  try {
    // As instrumentations do: a span around each request, and the error on the one in which it was met.
    await askBoth(
      (error) => {
        const span = trace.getActiveSpan()
        span?.recordException(error instanceof Error ? error : String(error))
        span?.setStatus({ code: SpanStatusCode.ERROR })
      },
      (request, response, next) =>
        tracer.startActiveSpan(request.path, (span) => {
          response.once('close', () => span.end())
          next()
        }),
    )
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(2)
  } finally {
    manager.disable()
    context.disable()
    trace.disable()
  }
  const codes = Object.fromEntries(exporter.getFinishedSpans().map(({ name, status }) => [name, status.code]))
  await provider.shutdown()
  expect(codes).toEqual({ '/note': SpanStatusCode.UNSET, '/broken': SpanStatusCode.ERROR })
})

test('P3: Datadog counts the spans of the bug as errors, and none of a replay', async () => {
  const spansIn = async (mode: string): Promise<readonly string[]> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=dev-source', join(import.meta.dirname, 'late-replays/datadog-app.ts'), mode],
      // dd-trace then prints its spans instead of sending them to an agent.
      { env: { ...process.env, DD_TRACE_EXPERIMENTAL_EXPORTER: 'log' }, timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
    )
    const spans = stdout.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line) as Traces).traces.flat()))
    const paths = new Map<string, string>()
    for (const { trace_id, meta } of spans) {
      if (meta['http.url'] !== undefined) paths.set(trace_id, new URL(meta['http.url']).pathname)
    }
    const wrong = spans.filter(({ error, meta }) => error === 1 && meta['span.kind'] !== 'client')
    return wrong.map(({ name, trace_id }) => `${paths.get(trace_id)} ${name}`).toSorted()
  }
  const [loud, quiet] = await Promise.all([spansIn('loud'), spansIn('quiet')])
  expect(loud).toContain('/note router.middleware') // without the recipe
  expect(quiet.filter((span) => span.startsWith('/note'))).toEqual([])
  expect(quiet).toContain('/broken express.request')
}, 120_000)

test('the page of late replays shows what was tested', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/late-replays.md'), 'utf8')
  for (const name of ['sentry', 'pino', 'datadog', 'opentelemetry']) {
    const source = readFileSync(join(import.meta.dirname, `late-replays/${name}.ts`), 'utf8')
    expect(page, name).toContain(`\`\`\`ts\n${source}\`\`\``)
  }
})

interface Traces {
  readonly traces: readonly (readonly {
    readonly trace_id: string
    readonly name: string
    readonly error: number
    readonly meta: Readonly<Record<string, string>>
  }[])[]
}
