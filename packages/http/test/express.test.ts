import { createServer } from 'node:http'
import { currentScope, findReplay, topologyOf } from '@headwater/core'
import { headwater, quietReplays } from '@headwater/http/express'
import express from 'express'
import express4 from 'express-4'
import { describe, expect, test } from 'vitest'
import { describeError, type HttpAdapter, listen, type Outcome } from './app-under-test.ts'
import { describeHttpAdapter } from './conformance.ts'
import { send } from './send.ts'

function adapterOf(framework: typeof express): HttpAdapter {
  return {
    start(app) {
      const server = framework()
      if (app.parsesBody === 'before') server.use(framework.json({ limit: '5mb' }))
      server.use(headwater(app.options))
      if (app.parsesBody === 'after') server.use(framework.json({ limit: '5mb' }))
      for (const { method, path, handle } of app.routes) {
        server[method === 'GET' ? 'get' : 'post'](path, (request, response, next) => {
          // Express 4 does not catch a rejection, so it is passed on; this is what its users do.
          handle(request.body)
            .then((outcome) => answer(response, outcome))
            .catch(next)
        })
      }
      if (app.catchesErrors === true) {
        const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
          response.status(418).cookie('caught', '1').json(describeError(error))
        }
        server.use(onError)
      }
      return listen(createServer(server))
    },
  }
}

async function answer(response: express.Response, outcome: Outcome): Promise<void> {
  if ('chunks' in outcome) {
    for await (const chunk of outcome.chunks()) response.write(chunk)
    response.end()
    return
  }
  response
    .status(outcome.status ?? 200)
    .set({ ...outcome.headers })
    .json(outcome.json)
}

describeHttpAdapter('express 5', adapterOf(express))
describeHttpAdapter('express 4', adapterOf(express4))

const away = topologyOf({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const options = { pool: { topology: away }, secret: 'a secret of these tests', earlyReplay: false }

const failLate: express.RequestHandler = (_request, _response, next) => {
  setImmediate(() => next(currentScope()?.askForReplay(away, 'write') ?? new Error('there is no scope here')))
}

describe.each([
  ['express 5', express],
  ['express 4', express4],
])('%s only', (_, framework) => {
  test('a body parser of old, that goes on from an event, keeps the scope', async () => {
    const app = framework()
    app.use(headwater(options))
    app.use((request, _response, next) => {
      request.on('data', () => {})
      request.on('end', () => next())
    })
    app.post('/', failLate)
    await using running = await listen(createServer(app))
    expect((await send(running.port, '/', { method: 'POST', body: '{}' })).status).toBe(409)
  })

  test('mounted under a path, the state is still of the whole path', async () => {
    const app = framework()
    app.use(['/api', '/other'], headwater(options))
    app.get(['/api/notes', '/other/notes'], failLate)
    await using running = await listen(createServer(app))
    const first = await send(running.port, '/api/notes?a=1')
    const state = /state=([^;]+)/.exec(String(first.headers['fly-replay']))?.[1]
    const headers = { 'fly-replay-src': `instance=1;region=nrt;t=1;state=${state}` }
    expect((await send(running.port, '/api/notes?a=1', { headers })).status).toBe(503)
    expect((await send(running.port, '/other/notes?a=1', { headers })).status).toBe(409)
  })

  test('quietReplays() answers the replay and hides it from error handlers; other errors pass', async () => {
    const app = framework()
    const met: unknown[] = []
    app.use(headwater(options))
    app.get('/write', failLate)
    app.get('/fail', () => {
      throw new RangeError('its own')
    })
    app.use(quietReplays())
    const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
      met.push(error)
      response.status(418).end()
    }
    app.use(onError)
    await using running = await listen(createServer(app))
    expect((await send(running.port, '/write')).status).toBe(409)
    expect(met).toEqual([])
    expect((await send(running.port, '/fail')).status).toBe(418)
    expect(met.map((error) => findReplay(error))).toEqual([undefined])
  })

  test('P3: a file that is sent after a swallowed refusal is replaced by the replay', async () => {
    const app = framework()
    app.use(headwater(options))
    app.get('/', (_request, response) => {
      currentScope()?.askForReplay(away, 'write')
      response.sendFile(import.meta.filename)
    })
    await using running = await listen(createServer(app))
    const sent = await send(running.port, '/')
    expect([sent.status, sent.text, sent.headers['content-type']]).toEqual([409, '', undefined])
  })
})
