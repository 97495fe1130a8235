import { runInScope, Scope } from '@headwater/core'
import { signToken, toLsn } from '@headwater/core/internal'
import { headwater } from '@headwater/http/express'
import { World } from '@headwater/test-world'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Heard, SECRET } from './mistakes/heard.ts'
import { inNrt, ON_FLY, start } from './mistakes/wrong-app.ts'

const topology = { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true }

let world: World
beforeAll(async () => {
  world = await World.start()
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

describe('what is said while it runs', { timeout: 60_000 }, () => {
  test('O1: 0: nothing is wrong, and thousands of requests say the line and nothing else', () =>
    inNrt(world, false, async ({ heard, ask }) => {
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(
          Array.from({ length: 100 }, (_, at) =>
            ask(at % 10 === 0 ? '/write' : '/read', { headers: ON_FLY, ...(at % 10 === 0 && { method: 'POST' }) }).then(
              (response) => response.text(),
            ),
          ),
        )
      }
      await expect.poll(() => heard.said.length, { timeout: 20_000 }).toBeGreaterThan(0)
      expect(heard.said).toEqual([expect.stringMatching(/^headwater: nrt → primary ams .*reads from .*standby/)])
    }))

  test.each([
    ['7: the middleware is missing', 'missing'],
    ['7b: the middleware is behind the routes', true],
  ] as const)('O1: %s', (_mistake, isBehind) =>
    inNrt(world, isBehind, async ({ heard, ask }) => {
      for (let times = 0; times < 3; times += 1)
        expect(await (await ask('/write', { method: 'POST' })).text()).toBe('written')
      expect(heard.codes.filter((code) => code === 'HEADWATER_WRITE_OUTSIDE_REQUEST')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/is headwater\(\{ pool \}\) in use, and before the routes/)
    }),
  )

  test('O1: 2: another secret in another region', () =>
    inNrt(world, false, async ({ heard, ask }) => {
      const theirs = await tokenSealedWith('another secret of another region')
      for (let times = 0; times < 3; times += 1)
        await ask('/read', { headers: { ...ON_FLY, 'headwater-token': theirs } })
      expect(heard.codes.filter((code) => code === 'HEADWATER_SECRETS_DIFFER')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/give every region and every instance the same HEADWATER_SECRET/)
    }))

  test('O1: 3: PRIMARY_REGION names a region where nobody is', () =>
    inNrt(world, false, async ({ heard, ask }) => {
      const failed = { ...ON_FLY, 'fly-replay-failed': 'instance=1;region=ams;reason=no_candidate' }
      for (let times = 0; times < 3; times += 1) {
        const answer = await ask('/write', { method: 'POST', headers: failed })
        expect(answer.status).toBe(503)
        expect(await answer.text()).toMatch(/primary region \(ams\) could not be reached.*PRIMARY_REGION is wrong/)
      }
      expect(heard.codes.filter((code) => code === 'HEADWATER_PRIMARY_REGION_SILENT')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/PRIMARY_REGION, which is ams here, should name the region/)
    }))

  test('O1: 26: two regions that name each other, with one secret and with two', async () => {
    for (const other of [SECRET, 'another secret of another region']) {
      await inNrt(world, false, async ({ heard, ask, routed }) => {
        await ask('/read', { headers: ON_FLY })
        // It knows as much of the primary as this one: a state that knew less could be one from before a promotion.
        await expect.poll(() => routed.topology.timeline).toBe(1)
        const known = {
          topology: { ...topology, cluster: routed.topology.cluster, timeline: 1 },
          logger: false as const,
        }
        const elsewhere = express().use(headwater({ pool: known, secret: other }))
        const { url: base, server } = await start(elsewhere)
        const order = await fetch(`${base}/write`, { method: 'POST', headers: ON_FLY })
        const state = /state=([^;]+)/.exec(order.headers.get('fly-replay') ?? '')?.[1]
        server.closeAllConnections()
        server.close()
        const replayed = { ...ON_FLY, 'fly-replay-src': `instance=1;region=ams;t=1;state=${state}` }
        const answer = await ask('/write', { method: 'POST', headers: replayed })
        expect(answer.status).toBeGreaterThanOrEqual(500)
        expect(await answer.text()).toMatch(/PRIMARY_REGION and HEADWATER_SECRET are the same in every region/)
        expect(heard.codes).toContain('HEADWATER_REGIONS_DISAGREE')
        expect(heard.said.join()).toMatch(
          /is in nrt and holds ams for the primary's region.*PRIMARY_REGION should be the same/,
        )
        expect(heard.codes.includes('HEADWATER_SECRETS_DIFFER')).toBe(other !== SECRET)
      })
    }
  })

  test('O1: 21: no proxy in front', () =>
    inNrt(world, false, async ({ heard, ask }) => {
      expect((await ask('/write', { method: 'POST' })).status).toBe(409)
      expect(heard.said.join()).toMatch(/HEADWATER_NO_PROXY.*@headwater\/fly-proxy/)
    }))

  test('O1: 12b: a job that may not write from here', async () => {
    const strict = world.pool('nrt', { logger: false, writesOutsideRequest: 'throw' })
    const refused = runInScope(new Scope(), () => strict.query("insert into note (body) values ('j')"))
    await expect(refused).rejects.toThrow(/run this job in the primary region, or set writesOutsideRequest to 'direct'/)
    await strict.end()
  })

  test('O1: 6: DATABASE_URL leads to a standby', async () => {
    const heard = new Heard()
    const wrong = world.pool('ams', {
      logger: heard,
      primary: { region: 'ams', connectionString: world.replica().url },
      replicas: [],
      promotionWaitMillis: 0,
    })
    await wrong.query("insert into note (body) values ('s')").catch(() => undefined)
    await expect.poll(() => heard.codes, { timeout: 20_000 }).toContain('HEADWATER_PRIMARY_IS_STANDBY')
    await wrong.end()
  })

  test('O1: two instances whose clocks are apart', () =>
    inNrt(world, false, async ({ heard, ask }) => {
      const { signState } = await import('../packages/http/src/replay/replay-state.ts')
      const state = signState([SECRET], { method: 'POST', url: '/write' }, 'write', Date.now() - 3_600_000)
      await ask('/write', {
        method: 'POST',
        headers: { ...ON_FLY, 'fly-replay-src': `instance=1;region=ams;t=1;state=${state}` },
      })
      expect(heard.said.join()).toMatch(/HEADWATER_CLOCKS_APART.*3600 s behind.*NTP/)
    }))

  test.each([
    ['refused', 3_600_000],
    ['taken', 40_000],
  ])('O1: a token from the future is %s: the clock that made it is told of', (_fate, ahead) =>
    inNrt(world, false, async ({ heard, ask }) => {
      const issuedAt = Date.now() + ahead
      const position = { cluster: 1n, timeline: 1, lsn: toLsn(1n), node: 0 }
      const token = signToken({ ...position, issuedAt, expires: issuedAt + 60_000 }, [SECRET])
      await ask('/read', { headers: { ...ON_FLY, 'headwater-token': token } })
      await ask('/read', { headers: { ...ON_FLY, 'headwater-token': token } })
      const said = heard.said.filter((line) => line.includes('HEADWATER_CLOCKS_APART'))
      expect(said).toEqual([expect.stringMatching(/made a token .* is (3600|3599|40|39) s ahead.*NTP/)])
    }),
  )
})

/** A token as an instance with another secret would give it. */
async function tokenSealedWith(secret: string): Promise<string> {
  const { signToken, toLsn } = await import('@headwater/core/internal')
  const now = Date.now()
  return signToken({ cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: now, expires: now + 60_000 }, [
    secret,
  ])
}
