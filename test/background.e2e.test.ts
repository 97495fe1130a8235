import { createServer, type Server } from 'node:http'
import { backgroundSettled, currentScope, forbidReplay, inBackground } from '@headwater/core'
import { headwater as headwaterForExpress, replayErrorHandler } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, describe, expect, test } from 'vitest'
import { type Instance, listen, SECRET, Stage } from './stage.ts'

/** The ways of a GET, the same in every framework. */
type Handler = (instance: Instance, body: string) => Promise<unknown>

const note = ({ pool, region }: Instance, body: string) =>
  pool.query('insert into note (body, region) values ($1, $2)', [body, region])

const HANDLERS: Readonly<Record<string, Handler>> = {
  seen: async (instance, body) => {
    inBackground(() => note(instance, body))
    return (await instance.pool.query('select who from server')).rows[0]
  },
  replayed: async (instance, body) => {
    inBackground(() => note(instance, `${body} behind it`))
    await note(instance, body)
    inBackground(() => note(instance, `${body} never begun`))
    return {}
  },
  swallowed: async (instance, body) => {
    inBackground(() => note(instance, `${body} behind it`))
    await note(instance, body).catch(() => undefined)
    return {}
  },
  forbidden: async (instance, body) => {
    let hasBegun = false
    inBackground(() => {
      hasBegun = true
    })
    await instance.pool.query('select who from server')
    const before = hasBegun
    forbidReplay()
    inBackground(() => note(instance, body))
    await backgroundSettled()
    return { before, after: hasBegun }
  },
  failing: async (instance, body) => {
    inBackground(() => note(instance, body))
    throw Object.assign(new Error('the handler has failed'), { status: 418, expose: true })
  },
  order: async (instance, body) => {
    const read = async () => {
      const { rows } = await instance.pool.query('select count(*)::int as n from note where body = $1', [body])
      await note(instance, `${body} saw ${rows[0]?.n}`)
    }
    await note(instance, body)
    inBackground(read)
    return { scope: currentScope()?.kind }
  },
}

const FRAMEWORKS: Readonly<Record<string, (instance: Instance) => Promise<Server>>> = {
  Hono: (instance) => {
    const app = new Hono()
    app.use(headwaterForHono({ pool: instance.pool, secret: SECRET }))
    app.onError((_error, context) => context.text('failed', 418))
    for (const [name, handle] of Object.entries(HANDLERS)) {
      app.get(`/${name}`, async (context) =>
        context.json((await handle(instance, context.req.query('body') ?? '')) as object),
      )
    }
    return listen(createAdaptorServer(app) as Server)
  },
  Express: (instance) => {
    const app = express()
    app.set('env', 'test')
    app.use(headwaterForExpress({ pool: instance.pool, secret: SECRET }))
    for (const [name, handle] of Object.entries(HANDLERS)) {
      app.get(`/${name}`, async (request, response) => {
        response.json(await handle(instance, String(request.query['body'])))
      })
    }
    app.use(replayErrorHandler())
    return listen(createServer(app))
  },
  Koa: (instance) => {
    const app = new Koa()
    app.silent = true
    app.use(headwaterForKoa({ pool: instance.pool, secret: SECRET }))
    app.use(async (context) => {
      context.body = await HANDLERS[context.path.slice(1)]?.(instance, String(context.query['body']))
    })
    return listen(createServer(app.callback()))
  },
}

describe.each(Object.entries(FRAMEWORKS))('%s', async (_name, startApp) => {
  const stage = await Stage.open({ startApp })
  afterAll(() => stage[Symbol.asyncDispose]())

  const get = async (name: string, body: string): Promise<Response> => {
    const response = await stage.fetch('nrt', `/${name}?body=${encodeURIComponent(body)}`)
    await backgroundSettled()
    return response
  }
  const regions = async () => (await stage.way()).hops.map(({ region }) => region)

  test('P12: 25 of 25 GETs that note who was seen stay in their region, without a token, and each note is written once', async () => {
    for (let n = 0; n < 25; n += 1) {
      const response = await get('seen', 'seen')
      expect([response.status, await response.json()]).toEqual([200, { who: 'nrt' }])
      expect([response.headers.getSetCookie(), response.headers.get('headwater-token')]).toEqual([[], null])
      expect(await regions()).toEqual(['nrt'])
    }
    expect(await stage.notes('seen')).toEqual(Array(25).fill('nrt'))
  })

  test('P12: in a request that is replayed the work is done once, where the replay runs', async () => {
    expect((await get('replayed', 'moved')).status).toBe(200)
    expect(await regions()).toEqual(['nrt', 'ams'])
    expect(await stage.notes('moved behind it')).toEqual(['ams'])
    expect(await stage.notes('moved never begun')).toEqual(['ams'])
    expect((await get('swallowed', 'hidden')).status).toBe(200)
    expect(await stage.notes('hidden behind it')).toEqual(['ams'])
  })

  test('P12: it waits while the request could be replayed, and no longer', async () => {
    const response = await get('forbidden', 'forbidden')
    expect(await response.json()).toEqual({ before: false, after: true })
    expect(await stage.notes('forbidden')).toEqual(['nrt'])
  })

  test('P12: a handler that fails behind it changes nothing', async () => {
    expect((await get('failing', 'failed')).status).toBe(418)
    expect(await stage.notes('failed')).toEqual(['nrt'])
  })

  test('P12: it sees what its request had written, with the replica standing still', async () => {
    await stage.world.replica().pauseReplay()
    try {
      await stage.fetch('ams', '/order?body=order')
      await backgroundSettled()
      expect(await stage.notes('order saw 1')).toEqual(['ams'])
    } finally {
      await stage.world.replica().resumeReplay()
    }
  })
})
