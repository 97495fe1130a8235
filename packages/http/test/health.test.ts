import { spawn } from 'node:child_process'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { currentScope } from '@headwater/core'
import { serve as serveHono } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { headwater as expressHeadwater, health as expressHealth } from '../src/express.ts'
import { startDraining } from '../src/health/draining.ts'
import { headwater as honoHeadwater, health as honoHealth } from '../src/hono.ts'
import { drainOnSignal, type HealthOptions, type PoolOfHealth } from '../src/index.ts'
import { headwater as koaHeadwater, health as koaHealth } from '../src/koa.ts'

const secret = 'a secret of the health checks'
const topology = { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true }

/** What a pool says of itself, without a database. */
function poolThatIs(verdict: string, query?: () => Promise<unknown>): PoolOfHealth {
  const servers = [{ verdict, role: 'replica', region: 'nrt' }]
  return { topology, status: () => ({ hasPrimary: true, hasReplica: true, servers }), ...(query && { query }) }
}

type Start = (options: HealthOptions) => Server

/** Each framework with the health checks before the middleware, and a handler that says whether it had a scope. */
const FRAMEWORKS: readonly (readonly [string, Start])[] = [
  [
    'express',
    (options) =>
      express()
        .use(expressHealth(options), expressHeadwater({ pool: options.pool, secret }))
        .use((_request, response) => void response.send(currentScope() === undefined ? 'no scope' : 'scope'))
        .listen(0, '127.0.0.1'),
  ],
  [
    'koa',
    (options) =>
      new Koa()
        .use(koaHealth(options))
        .use(koaHeadwater({ pool: options.pool, secret }))
        .use((context) => {
          context.body = currentScope() === undefined ? 'no scope' : 'scope'
        })
        .listen(0, '127.0.0.1'),
  ],
  [
    'hono',
    (options) => {
      const app = new Hono()
        .use(honoHealth(options))
        .use(honoHeadwater({ pool: options.pool, secret }))
        .all('*', (context) => context.text(currentScope() === undefined ? 'no scope' : 'scope'))
      return serveHono({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    },
  ],
]

const servers: Server[] = []
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    }),
  )
})

async function urlOf(server: Server): Promise<string> {
  servers.push(server)
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.each(FRAMEWORKS)('health checks in %s', (_name, start) => {
  it('O4: /health and /ready answer outside the scope, and everything else goes on', async () => {
    const url = await urlOf(start({ pool: poolThatIs('up') }))
    const health = await fetch(`${url}/health`)
    expect([health.status, await health.json(), health.headers.get('cache-control')]).toEqual([
      200,
      { status: 'up' },
      'no-store',
    ])
    const ready = await fetch(`${url}/ready?probe=1`)
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', ...topology, hasPrimary: true }])
    const head = await fetch(`${url}/ready`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect(await (await fetch(`${url}/notes`)).text()).toBe('scope')
    const post = await fetch(`${url}/health`, { method: 'POST', redirect: 'manual' })
    expect(post.status, 'a POST is the app’s, and replayed').toBe(409)
  })

  it('O4: /ready is 503 while nothing can be read, and asks before it says so; /health stays 200', async () => {
    const failing = await urlOf(start({ pool: poolThatIs('down', () => Promise.reject(new Error('down'))) }))
    const down = await fetch(`${failing}/ready`)
    expect([down.status, await down.json()]).toMatchObject([503, { status: 'down' }])
    expect((await fetch(`${failing}/health`)).status).toBe(200)
    const back = await urlOf(start({ pool: poolThatIs('down', () => Promise.resolve()) }))
    expect((await fetch(`${back}/ready`)).status).toBe(200)
    const hanging = await urlOf(start({ pool: poolThatIs('unknown', () => new Promise(() => undefined)) }))
    expect((await fetch(`${hanging}/ready`)).status).toBe(503)
  })

  it('O4: /ready is 503 for a process that is about to leave, and paths can be others', async () => {
    const pool = poolThatIs('up')
    const url = await urlOf(start({ pool, readyPath: '/readyz', healthPath: '/livez' }))
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    startDraining(pool)
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'draining' }])
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  it('O2: the status route is not there for anybody without the secret', async () => {
    const url = await urlOf(start({ pool: poolThatIs('up'), secret }))
    expect(await (await fetch(`${url}/headwater/status`)).text()).toBe('scope')
    const forged = await fetch(`${url}/headwater/status`, { headers: { 'headwater-doctor': 'forged' } })
    expect([forged.status, Object.keys((await forged.json()) as object)]).toEqual([401, ['time']])
  })
})

describe('leaving', () => {
  it.each(['SIGTERM', 'SIGINT'])(
    'O4: at %s what runs is answered, the pool ends, and the process ends by the signal',
    async (signal) => {
      const program = `
      import { createServer } from 'node:http'
      const { drainOnSignal } = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
      const pool = { topology: {}, end: async () => console.log('ended') }
      const server = createServer((request, response) => setTimeout(() => response.end('answered'), 400)).listen(0, '127.0.0.1', () => console.log(server.address().port))
      drainOnSignal({ pool, server, noticeMillis: 50, graceMillis: 10_000 })
    `
      const child = spawn(process.execPath, ['--conditions=dev-source', '--input-type=module', '-e', program])
      const ended = new Promise<unknown>((resolve) => child.once('exit', (code, by) => resolve([code, by])))
      try {
        const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
        const port = (await lines.next()).value
        const answer = fetch(`http://127.0.0.1:${port}`).then((response) => response.text())
        await new Promise((resolve) => setTimeout(resolve, 150))
        child.kill(signal as NodeJS.Signals)
        expect(await answer).toBe('answered')
        expect((await lines.next()).value).toBe('ended')
        expect(await ended).toEqual([null, signal])
      } finally {
        child.kill('SIGKILL')
      }
    },
  )

  it('O4: what hangs does not hold it past the grace; a time that leaves none is refused', async () => {
    expect(() => drainOnSignal({ pool: poolThatIs('up'), noticeMillis: 5_000 })).toThrow(
      /noticeMillis.*not below graceMillis/,
    )
    const program = `
      import { createServer } from 'node:http'
      const { drainOnSignal } = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
      const server = createServer(() => undefined).listen(0, '127.0.0.1', () => console.log(server.address().port))
      drainOnSignal({ pool: { topology: {} }, server, noticeMillis: 10, graceMillis: 300 })
    `
    const child = spawn(process.execPath, ['--conditions=dev-source', '--input-type=module', '-e', program])
    const ended = new Promise<unknown>((resolve) => child.once('exit', (code, by) => resolve([code, by])))
    try {
      const port = (await createInterface(child.stdout)[Symbol.asyncIterator]().next()).value
      const hanging = fetch(`http://127.0.0.1:${port}`).catch(() => 'cut')
      await new Promise((resolve) => setTimeout(resolve, 100))
      child.kill('SIGTERM')
      expect(await ended).toEqual([null, 'SIGTERM'])
      expect(await hanging).toBe('cut')
    } finally {
      child.kill('SIGKILL')
    }
  })
})
