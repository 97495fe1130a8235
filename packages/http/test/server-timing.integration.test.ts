import { createServer, type RequestListener } from 'node:http'
import { headwater as headwaterForExpress } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { type Sent, send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'

let world: World
let pool: RoutedPool
beforeAll(async () => {
  world = await World.start()
  pool = await world.informedPool('nrt')
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

const read = () => pool.query('select body from note')
const write = () => pool.query("insert into note (body) values ('x')")
const options = () => ({ pool, secret: SECRET, serverTiming: true, earlyReplay: false })

const frameworks: Readonly<Record<string, () => RequestListener>> = {
  Hono: () => {
    const app = new Hono()
    app.use(headwaterForHono(options()))
    app.get('/read', async (context) => context.json((await read()).rowCount))
    app.get('/write', async (context) => context.json((await write()).rowCount))
    return getRequestListener(app.fetch)
  },
  Express: () => {
    const app = express()
    app.use(headwaterForExpress(options()))
    app.get('/read', async (_request, response) => {
      response.json((await read()).rowCount)
    })
    app.get('/write', async (_request, response) => {
      response.json((await write()).rowCount)
    })
    return app
  },
  Koa: () => {
    const app = new Koa()
    app.use(headwaterForKoa(options()))
    app.use(async (context) => {
      context.body = `${(await (context.path === '/read' ? read() : write())).rowCount}`
    })
    return app.callback()
  },
}

describe.each(Object.entries(frameworks))('serverTiming in %s, on real servers', (_name, start) => {
  async function ask(path: string): Promise<Sent> {
    await using app = await listen(createServer(start()))
    return await send(app.port, path, { headers: { 'fly-request-id': '1' } })
  }

  test('R7: curl sees which server a read ran on, and why a request crossed', { timeout: 30_000 }, async () => {
    const local = await ask('/read')
    expect(local.status).toBe(200)
    expect(local.headers['server-timing']).toMatch(
      /^headwater;desc="nrt", headwater-query;desc="replica-0 in nrt: read, 1x";dur=\d+\.\d$/,
    )
    const crossing = await ask('/write')
    expect([crossing.status, crossing.headers['server-timing']]).toEqual([
      409,
      'headwater;desc="nrt", headwater-replay;desc="to ams: write"',
    ])
  })
})
