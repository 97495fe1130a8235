import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createFlyProxy } from '@headwater/fly-proxy'
import { forward, redirect } from '@headwater/http'
import * as onExpress from '@headwater/http/express'
import * as onHono from '@headwater/http/hono'
import * as onKoa from '@headwater/http/koa'
import { RoutedPool } from '@headwater/pg'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Diagnosis, diagnose } from '../packages/cli/src/doctor/doctor.ts'
import { run } from '../packages/cli/test/run.ts'
import { listen, SECRET, Stage } from './stage.ts'

// `headwater doctor --remote`, through the proxy, against apps that are right and apps that are wrong.

let stage: Stage
const servers: Server[] = []
const pools: RoutedPool[] = []
beforeAll(async () => {
  stage = await Stage.open({
    startApp: ({ region, pool }) =>
      region === 'ams'
        ? listen(createAdaptorServer(new Hono().use(onHono.health({ pool, secret: SECRET }))) as Server)
        : listen(
            createServer(
              express().use(onExpress.health({ pool, secret: SECRET }), onExpress.headwater({ pool, secret: SECRET })),
            ),
          ),
  })
})
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await Promise.all(pools.map((pool) => pool.end()))
  await stage?.[Symbol.asyncDispose]()
})

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** Starts one more app, beside the proxy. */
async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = await listen(createServer(listener))
  servers.push(server)
  return urlOf(server)
}

const environmentOfNrt = () => ({
  FLY_REGION: 'nrt',
  PRIMARY_REGION: 'ams',
  DATABASE_URL: stage.world.cluster.primary.url,
  DATABASE_REPLICA_URL: stage.world.replica().url,
  HEADWATER_SECRET: SECRET,
})

/** What the doctor says of `remote`, run where the app of nrt would run. */
async function askAbout(remote: string, changed: Readonly<Record<string, string>> = {}) {
  for (const [name, value] of Object.entries({ ...environmentOfNrt(), ...changed })) vi.stubEnv(name, value)
  try {
    const folder = join(import.meta.dirname, '../packages/cli')
    return told(await diagnose({ folder, environment: process.env, module: undefined, remote }), remote)
  } finally {
    vi.unstubAllEnvs()
  }
}

function told({ checks }: Diagnosis, remote: string) {
  const about = checks.filter((check) => check.about === new URL(remote).origin)
  return {
    levels: about.map(({ level }) => level),
    said: about.map(({ says, cure }) => (cure === undefined ? says : `${says} → ${cure}`)),
  }
}

const OF_AMS = /^ams, primary ams, Headwater \d+\.\d+\.\d+, Node \d+\.\d+\.\d+; the secret is the same$/
const OF_NRT = /^nrt, primary ams, Headwater \d+\.\d+\.\d+, Node \d+\.\d+\.\d+; the secret is the same$/

test('O2, O4: an instance at home says who it is, and is asked for no replay', async () => {
  const { said, levels } = await askAbout(stage.proxy.edge('ams').url)
  expect(said).toEqual([expect.stringMatching(OF_AMS)])
  expect(levels).toEqual(['ok'])
  expect((await stage.way()).hops.map(({ region, status }) => [region, status])).toEqual([['ams', 200]])
})

test('O2, O4, P9: an instance away has one request replayed by the proxy, and its way is timed', async () => {
  const remote = stage.proxy.edge('nrt').url
  const { output, errors } = await run(['doctor', '--json', '--remote', remote], { environment: environmentOfNrt() })
  expect(errors).toBe('')
  const { said, levels } = told(JSON.parse(output) as Diagnosis, remote)
  expect(said).toEqual([expect.stringMatching(OF_NRT), expect.stringMatching(/^a replay reached ams in \d+ ms$/)])
  expect(levels).toEqual(['ok', 'ok'])
  expect((await stage.way()).hops.map(({ region, status }) => [region, status])).toEqual([
    ['nrt', 409],
    ['ams', 200],
  ])
})

test('O2, P9: an instance that forwards by itself, and one that redirects, are tried the same', async () => {
  const pool = stage.pools.nrt
  // The instance that it sends to has to know the same way.
  const home = await serve(
    express().use(
      onExpress.health({
        pool: stage.pools.ams,
        secret: SECRET,
        replayTarget: forward({ regions: { ams: stage.urls.ams } }),
      }),
    ),
  )
  const forwarding = await serve(
    new Koa().use(onKoa.health({ pool, secret: SECRET, replayTarget: forward({ regions: { ams: home } }) })).callback(),
  )
  const redirecting = await serve(
    express().use(onExpress.health({ pool, secret: SECRET, replayTarget: redirect({ regions: { ams: home } }) })),
  )
  const lost = await serve(
    express().use(
      onExpress.health({ pool, secret: SECRET, replayTarget: forward({ regions: { ams: 'http://127.0.0.1:9' } }) }),
    ),
  )
  for (const remote of [forwarding, redirecting]) {
    const { said } = await askAbout(remote)
    expect(said).toEqual([expect.stringMatching(OF_NRT), expect.stringMatching(/^a replay reached ams in \d+ ms$/)])
  }
  expect((await askAbout(lost)).said).toContainEqual(
    expect.stringMatching(
      /^a replay to ams found no instance there, and came back to nrt → set PRIMARY_REGION to a region/,
    ),
  )
})

test('O2: another secret, a clock that is wrong, and another PRIMARY_REGION lead to the variable', async () => {
  const edge = stage.proxy.edge('nrt').url
  const other = await askAbout(edge, { HEADWATER_SECRET: 'another secret of another region' })
  expect(other.said).toEqual([
    expect.stringMatching(/HEADWATER_SECRET differs there → set HEADWATER_SECRET to the same value/),
  ])
  const late = await serve((_request, response) =>
    response.writeHead(401).end(JSON.stringify({ time: Date.now() - 3_600_000 })),
  )
  expect((await askAbout(late)).said).toEqual([
    expect.stringMatching(/its clock is 3600 s behind .* → set both clocks by NTP/),
  ])
  const elsewhere = await askAbout(edge, { PRIMARY_REGION: 'lhr' })
  expect(elsewhere.said).toContainEqual(
    expect.stringMatching(
      /^takes ams for the primary's region, and here it is lhr → set PRIMARY_REGION to the same region/,
    ),
  )
  const secure = await serve((_request, response) =>
    response.writeHead(301, { location: 'https://app.example/headwater/status' }).end(),
  )
  expect((await askAbout(secure)).said).toEqual(['answers 301, a redirect → give --remote https://app.example'])
})

test('O2: a PRIMARY_REGION where nobody is: the replay finds no instance, and the doctor does not wait for it', async () => {
  const lost = new RoutedPool({
    region: 'nrt',
    primary: { region: 'lhr', connectionString: stage.world.cluster.primary.url },
    replicas: [{ region: 'nrt', connectionString: stage.world.replica().url }],
    logger: false,
  })
  pools.push(lost)
  const app = await listen(createServer(express().use(onExpress.health({ pool: lost, secret: SECRET }))))
  servers.push(app)
  await using proxy = createFlyProxy({
    apps: [{ name: 'app', machines: [{ id: 'm1', region: 'nrt', url: urlOf(app) }] }],
  })
  await proxy.listen()
  const { said } = await askAbout(proxy.edge('nrt').url, { PRIMARY_REGION: 'lhr' })
  expect(said).toContainEqual(
    expect.stringMatching(
      /^a replay to lhr (?:was not answered in time|found no instance there).* → set PRIMARY_REGION to a region/,
    ),
  )
})
