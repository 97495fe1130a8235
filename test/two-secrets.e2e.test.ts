import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReplayImpossible } from '@headwater/core'
import { headwater } from '@headwater/http/express'
import { RoutedPool } from '@headwater/pg'
import express from 'express'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { listen, type Region, Stage } from './stage.ts'

// Two regions with different secrets, each of which believes that the primary is in the other one.

const OTHER: Readonly<Record<Region, Region>> = { ams: 'nrt', nrt: 'ams' }
const pools: RoutedPool[] = []
let stage: Stage

beforeAll(async () => {
  stage = await Stage.open({
    startApp: ({ region, pool }) => {
      const mistaken = new RoutedPool({
        region,
        primary: { region: OTHER[region], connectionString: pool.options.connectionString ?? '' },
      })
      pools.push(mistaken)
      const app = express()
      app.use(headwater({ pool: mistaken, secret: `the secret of ${region}, long enough` }))
      app.all('/write', async (request, response) => {
        await mistaken.query('insert into note (body, region) values ($1, $2)', [String(request.query['body']), region])
        response.json({ region })
      })
      app.use(((error, _request, response, _next) => {
        const isRefused = error instanceof ReplayImpossible
        if (isRefused) response.set(error.headers)
        response.status(isRefused ? error.status : 500).json({ blocker: isRefused ? error.blocker : String(error) })
      }) satisfies express.ErrorRequestHandler)
      return listen(createServer(app))
    },
  })
})

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await Promise.all(pools.map((pool) => pool.end()))
})

test.each(['POST', 'GET'])(
  'P4, P7: regions with two secrets that disagree on the primary replay a %s once; its sender gets a 503, no cache keeps it, and nothing is written',
  async (method) => {
    const emitWarning = vi.spyOn(process, 'emitWarning')
    try {
      for (const body of ['first', 'second']) {
        const response = await stage.fetch('nrt', `/write?body=${body}`, { method })
        expect([response.status, await response.json()]).toEqual([503, { blocker: 'already-replayed' }])
        expect([response.headers.get('cache-control'), response.headers.get('retry-after')]).toEqual(['no-store', '1'])
        const way = await stage.way()
        expect(way.hops.map((hop) => [hop.region, hop.status])).toEqual([
          ['nrt', 409],
          ['ams', 503],
        ])
        expect(await stage.notes(body)).toEqual([])
      }
      await sleep(10)
      const codes = emitWarning.mock.calls.map(([, options]) => Reflect.get(Object(options), 'code'))
      // Said once per process: by whichever method comes first here.
      expect(codes.filter((code) => code === 'HEADWATER_SECRETS_DIFFER')).toHaveLength(method === 'POST' ? 1 : 0)
    } finally {
      emitWarning.mockRestore()
    }
  },
)
