import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename } from 'node:path'
import { currentScope, findReplay } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import { describeError, describeHttpAdapter, type HttpAdapter, type Outcome, serveApp } from '@headwater/http/testing'
import express from 'express'
import express4 from 'express-4'
import { describe, expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { Primary } from '../src/testing/primary.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'
import { stateIn } from '../src/testing/token-text.ts'

function adapterOf(framework: typeof express): HttpAdapter {
  return {
    start(app) {
      const server = framework()
      if (app.parsesBody === 'before') server.use(framework.json({ limit: '5mb' }))
      server.use(headwater(app.options))
      if (app.parsesBody === 'after') server.use(framework.json({ limit: '5mb' }))
      for (const { method, path, handle } of app.routes) {
        server[method === 'GET' ? 'get' : 'post'](path, (request, response, next) => {
          // Express 4 does not catch rejections, so its users pass them on like this.
          handle(request.body)
            .then((outcome) => answer(response, outcome))
            .catch(next)
        })
      }
      // The only place where Express shows an error to a middleware.
      if (app.options.replayOn !== undefined) server.use(replayErrorHandler())
      if (app.catchesErrors === true) {
        const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
          response.status(418).cookie('caught', '1').json(describeError(error))
        }
        server.use(onError)
      }
      return serveApp(app, server)
    },
  }
}

async function answer(response: express.Response, outcome: Outcome): Promise<void> {
  if ('chunks' in outcome) {
    for await (const chunk of outcome.chunks()) response.write(chunk)
    response.end()
    return
  }
  if ('redirect' in outcome) return response.redirect(outcome.redirect)
  if ('empty' in outcome) {
    response.status(outcome.empty).end()
    return
  }
  if ('stream' in outcome) {
    outcome.stream.pipe(response)
    return
  }
  response
    .status(outcome.status ?? 200)
    .set({ ...outcome.headers })
    .json(outcome.json)
}

describeHttpAdapter('express 5', adapterOf(express))
describeHttpAdapter('express 4', adapterOf(express4))

const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
const options = { pool: { topology: away }, secret: SECRET, earlyReplay: false }

const failLate: express.RequestHandler = (_request, _response, next) => {
  setImmediate(() => next(currentScope()?.askForReplay(away, 'write') ?? new Error('there is no scope here')))
}

describe.each([
  ['express 5', express],
  ['express 4', express4],
])('%s only', (_, framework) => {
  test('an old body parser, which continues in an event listener, keeps the scope', async () => {
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

  test('mounted under a path, the state still belongs to the whole path', async () => {
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

  test('replayErrorHandler() answers the replay and hides it from error handlers; other errors pass', async () => {
    const app = framework()
    const met: unknown[] = []
    app.use(headwater(options))
    app.get('/write', failLate)
    app.get('/fail', () => {
      throw new RangeError('its own')
    })
    app.use(replayErrorHandler())
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

  test('F1: a file, a static file and an error page carry the token, and Express logs nothing', async () => {
    const primary = new Primary()
    const app = framework()
    app.use(headwater({ ...options, pool: { topology: home } }))
    app.use((_request, _response, next) => {
      primary.write().then(() => next(), next)
    })
    app.get('/file', (_request, response) => response.sendFile(import.meta.filename))
    app.use('/static', framework.static(import.meta.dirname))
    app.get('/fail', (_request, response) => {
      response.cookie('own', '1')
      throw Object.assign(new RangeError('its own'), { status: 422, headers: { 'x-own': '1' } })
    })
    app.get('/late', (_request, response, next) => {
      response.json('sent')
      expect(response.headersSent).toBe(true)
      expect(() => response.status(500).json('again')).toThrow(
        expect.objectContaining({ code: 'ERR_HTTP_HEADERS_SENT' }),
      )
      // Express ignores what follows an answer without an error.
      next()
    })
    app.set('env', 'test')
    await using running = await listen(createServer(app))
    const text = await readFile(import.meta.filename, 'utf8')
    const file = await send(running.port, '/file')
    const statik = await send(running.port, `/static/${basename(import.meta.filename)}`)
    for (const sent of [file, statik]) {
      expect([sent.status, sent.text === text, sent.headers['cache-control']]).toEqual([
        200,
        true,
        'private, max-age=0',
      ])
      expect(stateIn(sent)).toEqual(primary.state)
    }
    const again = await send(running.port, '/file', { headers: { 'if-none-match': String(file.headers.etag) } })
    expect([again.status, again.text, stateIn(again)]).toEqual([304, '', primary.state])
    const failed = await send(running.port, '/fail')
    expect([failed.status, failed.headers['x-own'], stateIn(failed)]).toEqual([422, '1', primary.state])
    expect(failed.headers['set-cookie']).toHaveLength(2)
    const missing = await send(running.port, '/nowhere')
    expect([missing.status, stateIn(missing)]).toEqual([404, primary.state])
    const late = await send(running.port, '/late')
    expect([late.status, late.text]).toEqual([200, '"sent"'])
  })
})
