import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { signToken, verifyToken } from '@headwater/core/internal'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import express from 'express'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listen, SECRET, Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.open({
    startApp: ({ region, pool }) => {
      const app = express()
      app.use(headwater({ pool, secret: SECRET }))
      app.post('/note', async (_request, response) => {
        await pool.query("insert into note (body) values ('seen')")
        response.json({})
      })
      app.get('/note', async (_request, response) => {
        const { rows } = await pool.query('select count(*)::int as notes from note')
        response.json({ region, ...rows[0] })
      })
      app.use(replayErrorHandler())
      return listen(createServer(app))
    },
  })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

test('F5, P7: a client that keeps the marks of two replicas is replayed until the pool knows a later position, not for ever', async () => {
  const written = await stage.fetch('nrt', '/note', { method: 'POST' })
  const position = verifyToken(written.headers.get('headwater-token') ?? undefined, [SECRET], Date.now())
  if (position === undefined) throw new Error('a write gave no token')
  await stage.world.cluster.waitUntilCaughtUp()
  const marks = [5, 6].map((node) => signToken({ ...position, node, issuedAt: Date.now() }, [SECRET]))
  const read = async (): Promise<{ readonly hops: number; readonly answer: unknown }> => {
    const response = await stage.fetch('nrt', '/note', { headers: { 'headwater-token': marks.join(', ') } })
    const answer: unknown = await response.json()
    return { hops: (await stage.way()).hops.length, answer }
  }
  // Right after the reads that left them, no position is sure to be later.
  expect(await read()).toEqual({ hops: 2, answer: { region: 'ams', notes: 1 } })
  await sleep(250)
  const reads = []
  for (let count = 0; count < 40; count++) {
    reads.push(await read())
    // The first one makes the pool ask, in the background.
    if (count === 0) await sleep(200)
  }
  expect(reads.map(({ answer }) => Reflect.get(Object(answer), 'notes'))).toEqual(Array(40).fill(1))
  expect(reads.filter(({ hops }) => hops === 2).length).toBeLessThanOrEqual(2)
  expect(reads.at(-1)).toEqual({ hops: 1, answer: { region: 'nrt', notes: 1 } })
})
