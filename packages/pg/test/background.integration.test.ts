import { setTimeout as sleep } from 'node:timers/promises'
import { backgroundSettled, configureBackground, inBackground } from '@headwater/core'
import { errorOf, inRequest, World } from '@headwater/test-world'
import { afterAll, beforeAll, expect, test } from 'vitest'

let world: World
const failures: unknown[] = []

beforeAll(async () => {
  world = await World.start()
  configureBackground({ onError: (error) => failures.push(error) })
})
afterAll(() => world[Symbol.asyncDispose]())

const INSERT = 'insert into note (body) values ($1)'

test.each(['ams', 'nrt'] as const)(
  'P12, X5: in %s end() waits for the background work that was begun, and for nothing else',
  async (region) => {
    const pool = await world.informedPool(region)
    for (let n = 0; n < 8; n += 1) {
      inBackground(async () => {
        await pool.query('select pg_sleep(0.02)')
        const client = await pool.connect()
        try {
          await client.query('begin')
          await client.query(INSERT, [`ended in ${region}`])
          await client.query('commit')
        } finally {
          client.release()
        }
      })
    }
    const ended = pool.end()
    expect((await errorOf(pool.query('select 1'))) as Error).toMatchObject({
      message: 'Cannot use a pool after calling end on the pool',
    })
    await expect(pool.connect()).rejects.toThrow('after calling end')
    await ended
    expect(await world.notes(`ended in ${region}`)).toBe(8)
    inBackground(() => pool.query(INSERT, ['too late']))
    await backgroundSettled()
    expect(failures.splice(0)).toMatchObject([{ message: 'Cannot use a pool after calling end on the pool' }])
    expect([pool.ended, pool.totalCount]).toEqual([true, 0])
  },
)

test('P12, X5: work that hangs holds end() up for its own time at most', async () => {
  const pool = await world.informedPool('ams')
  inBackground(() => new Promise(() => undefined), { timeoutMillis: 100 })
  const startedAt = performance.now()
  await pool.end()
  expect(performance.now() - startedAt).toBeLessThan(2000)
  expect(failures.splice(0)).toMatchObject([{ why: 'timed-out' }])
})

test('P12, X5: work that ends its own pool does not wait for itself', async () => {
  const pool = await world.informedPool('ams')
  inBackground(() => pool.end(), { timeoutMillis: 5000 })
  await backgroundSettled()
  expect([failures, pool.ended]).toEqual([[], true])
})

test('P12: while it waits for a request’s answer it does not hold end() up', async () => {
  const pool = await world.informedPool('nrt')
  await inRequest(pool, async () => inBackground(() => pool.query(INSERT, ['held for ever'])))
  await pool.end()
  expect(await world.notes('held for ever')).toBe(0)
})

test('P6, P12: where the app forbids writes outside requests, its handler is told', async () => {
  const pool = await world.informedPool('nrt', { writesOutsideRequest: 'throw' })
  inBackground(() => pool.query(INSERT, ['forbidden']))
  await backgroundSettled()
  expect(failures.splice(0)).toMatchObject([{ code: 'HEADWATER_REPLAY_IMPOSSIBLE', blocker: 'no-request' }])
})

test('P12: it goes on when its pool is full of others', async () => {
  const pool = await world.informedPool('ams', { max: 1 })
  const client = await pool.connect()
  await client.query('begin; select 1')
  inBackground(() => pool.query(INSERT, ['behind a lease']))
  await sleep(50)
  expect(await world.notes('behind a lease')).toBe(0)
  await client.query('commit')
  client.release()
  await backgroundSettled()
  expect([failures, await world.notes('behind a lease')]).toEqual([[], 1])
})
