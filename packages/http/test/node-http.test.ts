import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'
import { type AppUnderTest, describeError, describeHttpAdapter, type Outcome, serveApp } from '@headwater/http/testing'

/** An app on plain node:http, and its adapter: what anybody outside this package can write. */
function appOf(app: AppUnderTest): RequestListener {
  const lifecycle = createLifecycle(app.options)

  async function handle(request: IncomingMessage, response: ServerResponse, parsed: unknown): Promise<void> {
    const body = app.parsesBody === 'after' ? await json(request) : parsed
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const [path] = (request.url ?? '/').split('?')
    const route = app.routes.find((candidate) => candidate.method === method && candidate.path === path)
    if (route === undefined) response.writeHead(404).end()
    else await answer(response, await route.handle(body))
  }

  function answerError(response: ServerResponse, error: unknown): void {
    if (app.catchesErrors === true) {
      response.writeHead(418, { 'set-cookie': 'caught=1' }).end(JSON.stringify(describeError(error)))
      return
    }
    const { status = 500, headers = {} } = error as { status?: number; headers?: Record<string, string> }
    response.writeHead(status, headers).end()
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const parsed = app.parsesBody === 'before' ? await json(request) : undefined
      const life = openNodeRequest(lifecycle, request, response)
      const run = () => handle(request, response, parsed)
      await (life === undefined ? run() : life.run(run))
    } catch (error) {
      answerError(response, error)
    }
  }

  return (request, response) => void serve(request, response)
}

async function answer(response: ServerResponse, outcome: Outcome): Promise<void> {
  if ('chunks' in outcome) return await pipeline(outcome.chunks, response)
  if ('stream' in outcome) return await pipeline(outcome.stream, response)
  if ('redirect' in outcome) response.writeHead(302, { location: outcome.redirect }).end()
  else if ('empty' in outcome) response.writeHead(outcome.empty).end()
  else response.writeHead(outcome.status ?? 200, outcome.headers).end(JSON.stringify(outcome.json))
}

describeHttpAdapter('node:http', { start: (app) => serveApp(app, appOf(app)) })
