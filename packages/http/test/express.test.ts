import { createServer } from 'node:http'
import { headwater } from '@headwater/http/express'
import express from 'express'
import express4 from 'express-4'
import { describeError, type HttpAdapter, listen, type Outcome } from './app-under-test.ts'
import { describeHttpAdapter } from './conformance.ts'

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
