import { getToken, ReplicaBehind, runInScope, runWithToken, Scope, withConsistency, withReplica } from '@headwater/core'
import { type ReadPosition, verifyToken } from '@headwater/core/internal'
import { inJob, requestScope, World, who } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

const SECRET = 'a secret for these tests'
const INSERT = "insert into note (body) values ('at the edge')"
let world: World

beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

async function write(pool: RoutedPool): Promise<ReadPosition> {
  const scope = new Scope({ session: { isWanted: true } })
  const seen = await runInScope(scope, async () => {
    await pool.query(INSERT)
    return scope.session.capturePosition()
  })
  if (seen === undefined) throw new Error('a write left nothing to see')
  return seen
}

function whoFor(pool: RoutedPool, minPosition: ReadPosition | undefined): Promise<string> {
  return runInScope(requestScope(pool, { minPosition, isWanted: true }), () => who(pool))
}

async function paused(fn: () => Promise<void>): Promise<void> {
  for (const replica of world.cluster.replicas) await replica.pauseReplay()
  try {
    await fn()
  } finally {
    for (const replica of world.cluster.replicas) await replica.resumeReplay()
    await world.cluster.waitUntilCaughtUp()
  }
}

/** Waits until `pool` reads on the local replica for a client that has seen everything. */
async function warm(pool: RoutedPool): Promise<ReadPosition> {
  const seen = await write(world.pool('ams'))
  await world.cluster.waitUntilCaughtUp()
  await expect.poll(() => whoFor(pool, seen).catch(() => ''), { timeout: 5000 }).toMatch(/^nrt/)
  return seen
}

describe('a token beyond requests', () => {
  async function tokenOfWrite(pool: RoutedPool): Promise<string> {
    const token = await inJob(async () => {
      await pool.query(INSERT)
      return getToken({ secret: SECRET })
    })
    if (token === undefined) throw new Error('a write gave no token')
    return token
  }

  test('getToken gives none outside a scope, and none to a client that has seen nothing', async () => {
    expect(await getToken({ secret: SECRET })).toBeUndefined()
    expect(await inJob(() => getToken({ secret: SECRET }))).toBeUndefined()
    await expect(getToken({ secret: 'short' })).rejects.toMatchObject({ code: 'HEADWATER_OPTIONS_INVALID' })
  })

  test('sticky: the replica when it has it, else the primary', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    const token = await tokenOfWrite(home)
    await world.cluster.waitUntilCaughtUp()
    const run = (text: string | undefined) => runWithToken(text, () => who(home), { secret: SECRET })
    await expect.poll(() => run(token)).toMatch(/^nrt/)
    await paused(async () => {
      const newer = await tokenOfWrite(home)
      expect(await run(newer)).toBe('primary')
      expect(await run(`${newer}, ${token}`)).toBe('primary')
      // F3: as if there were none.
      expect(await run(`${newer.slice(0, -1)}${newer.endsWith('A') ? 'B' : 'A'}`)).toMatch(/^nrt/)
      expect(await run(undefined)).toMatch(/^nrt/)
    })
  })

  test('sticky, away from home: a job reaches the primary over the wide network', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    await paused(async () => {
      const token = await tokenOfWrite(world.pool('ams'))
      expect(await runWithToken(token, () => who(away), { secret: SECRET })).toBe('primary')
    })
  })

  test('delayed: rejects with ReplicaBehind, and the queue comes back later', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    let token = ''
    const run = () => runWithToken(token, () => who(away), { secret: SECRET, level: 'delayed' })
    await paused(async () => {
      token = await tokenOfWrite(world.pool('ams'))
      const error: unknown = await run().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(ReplicaBehind)
      expect(error).toMatchObject({ code: 'HEADWATER_REPLICA_BEHIND', retryable: true })
    })
    await expect.poll(() => run().catch(() => '')).toMatch(/^nrt/)
  })

  test('always: the primary', async () => {
    const home = await world.informedPool('ams')
    expect(await runWithToken(undefined, () => who(home), { secret: SECRET, level: 'always' })).toBe('primary')
  })

  test('a token goes on: a job that writes gives a later one', async () => {
    const home = await world.informedPool('ams')
    const first = await tokenOfWrite(home)
    const writeOn = async () => {
      await home.query(INSERT)
      return getToken({ secret: SECRET })
    }
    const second = await runWithToken(first, writeOn, { secret: SECRET })
    expect(second).not.toBe(first)
    const kept = await runWithToken(second, () => getToken({ secret: SECRET }), { secret: SECRET })
    const positionIn = (token = '') => {
      const { cluster, timeline, lsn } = verifyToken(token, [SECRET], Date.now()) ?? {}
      return { cluster, timeline, lsn }
    }
    expect(positionIn(second).lsn).toBeDefined()
    expect(positionIn(kept)).toEqual(positionIn(second))
  })
})

describe('F4: behind a load balancer', () => {
  const balanced = (): RoutedPoolOptions => ({
    replicas: world.cluster.replicas.map((replica) => ({ connectionString: replica.url, endpoint: 'load-balancer' })),
  })

  test('the connection itself is asked right before the read', async () => {
    const home = await world.informedPool('ams', { ...balanced(), maxWaitMillis: 0 })
    const seen = await write(home)
    await world.cluster.waitUntilCaughtUp()
    expect(await whoFor(home, seen)).toMatch(/^nrt/)
    await paused(async () => {
      expect(await whoFor(home, await write(home))).toBe('primary')
      expect(await whoFor(home, undefined)).toMatch(/^nrt/)
    })
  })

  test('away from home it waits there, then the request is replayed', async () => {
    const away = await world.informedPool('nrt', { ...balanced(), maxWaitMillis: 300 })
    for (const replica of world.cluster.replicas) await replica.lag(80)
    try {
      const seen = await write(world.pool('ams'))
      expect(await whoFor(away, seen)).toMatch(/^nrt/)
    } finally {
      for (const replica of world.cluster.replicas) await replica.lag(0)
    }
    await paused(async () => {
      const seen = await write(world.pool('ams'))
      await expect(whoFor(away, seen)).rejects.toMatchObject({ code: 'HEADWATER_REPLAY_TO_PRIMARY', reason: 'behind' })
    })
  })
})

describe('when a token has done its work', () => {
  test('is known only where every replica is listed', async () => {
    const knowing = await world.informedPool('ams', { replicasComplete: true })
    const unknowing = await world.informedPool('ams')
    const seen = await warm(knowing)
    // A calm replica is asked once a second.
    await expect.poll(() => knowing.hasEveryReplica(seen), { timeout: 5000 }).toBe(true)
    expect(knowing.hasEveryReplica({ ...seen, node: 77 })).toBe(true)
    expect(unknowing.hasEveryReplica(seen)).toBe(false)
    await world.cluster.replicas[1]?.pauseReplay()
    const later = await write(knowing)
    await expect.poll(() => whoFor(knowing, later), { timeout: 5000 }).toBe('nrt')
    expect(knowing.hasEveryReplica(later)).toBe(false)
    await world.cluster.replicas[1]?.resumeReplay()
    await expect.poll(() => knowing.hasEveryReplica(later), { timeout: 5000 }).toBe(true)
  })
})

describe('while an app is developed', () => {
  let heard: string[] = []
  /** A new logger each time: one and the same is told each thing once. */
  const logger = () => ({ info: () => undefined, warn: (message: string) => void heard.push(message) })

  async function warningsDuring(fn: () => Promise<unknown>): Promise<string[]> {
    heard = []
    await fn()
    return heard.filter((message) => message.includes('HEADWATER_STALE_READ'))
  }

  const readNotes = (pool: RoutedPool) => pool.query('select count(*) from note')

  test('a read that may miss a write of its own scope, or of its client, is warned about once', async () => {
    const home = await world.informedPool('ams', { warnOnStaleReads: true, logger: logger() })
    await warm(home)
    const own = await warningsDuring(() =>
      inJob(async () => {
        await home.query(INSERT)
        await withReplica(() => who(home))
        for (let round = 0; round < 3; round += 1) await withReplica(() => readNotes(home))
      }),
    )
    expect(own).toEqual([expect.stringMatching(/"note" was read on replica-\d although the same scope/)])
    await paused(async () => {
      const minPosition = await write(home)
      const scope = new Scope({ session: { minPosition } })
      const read = () => runInScope(scope, () => withConsistency('eventual', () => readNotes(home)))
      expect(await warningsDuring(read)).toEqual([expect.stringContaining('this client, a moment ago')])
    })
  })

  test('there is no warning about a write of another client, except one that led to its own last write', async () => {
    const home = await world.informedPool('ams', { warnOnStaleReads: true, logger: logger() })
    await world.admin.query('create table shelf (id int)')
    await warm(home)
    await paused(async () => {
      const writeAs = (minPosition: ReadPosition | undefined, text: string) => {
        const scope = new Scope({ session: { minPosition, isWanted: true } })
        return runInScope(scope, async () => {
          await home.query(text)
          return scope.session.capturePosition()
        })
      }
      await writeAs(undefined, INSERT)
      const own = await writeAs(undefined, 'insert into shelf values (1)')
      const read = (minPosition: ReadPosition | undefined) => {
        const scope = new Scope({ session: { minPosition } })
        return runInScope(scope, () => withConsistency('eventual', () => readNotes(home)))
      }
      expect(await warningsDuring(() => read(own))).toEqual([])
      const first = await writeAs(own, INSERT)
      const second = await writeAs(first, 'insert into shelf values (2)')
      expect(await warningsDuring(() => read(second))).toEqual([expect.stringContaining('this client, a moment ago')])
    })
  })

  test('there is no warning where the read must be fresh, and none by default', async () => {
    const home = await world.informedPool('ams', { warnOnStaleReads: true, logger: logger() })
    const quiet = await world.informedPool('ams')
    const minPosition = await warm(home)
    const warnings = await warningsDuring(async () => {
      await runInScope(new Scope({ session: { minPosition } }), async () => {
        await readNotes(home)
        await home.query(INSERT)
        await readNotes(home)
      })
      await inJob(async () => {
        await quiet.query(INSERT)
        await withReplica(() => readNotes(quiet))
      })
    })
    expect(warnings).toEqual([])
  })
})

describe('P8: with the primary out of reach', () => {
  test('a read for which no local replica is fresh enough fails, or is stale where the app chose that', async () => {
    const strict = await world.informedPool('nrt')
    const lenient = await world.informedPool('nrt', { onPrimaryUnreachable: 'serve-stale' })
    await warm(strict)
    await warm(lenient)
    await paused(async () => {
      const minPosition = await write(world.pool('ams'))
      const read = (pool: RoutedPool) => {
        const scope = new Scope({
          kind: 'request',
          blocker: 'replay-failed',
          topology: () => pool.topology,
          session: { minPosition },
        })
        return runInScope(scope, () => who(pool))
      }
      await expect(read(strict)).rejects.toMatchObject({ code: 'HEADWATER_REPLAY_IMPOSSIBLE', status: 503 })
      expect(await read(lenient)).toMatch(/^nrt/)
    })
  })
})

describe('P8: with the primary gone', () => {
  test('a write that was not sent leaves nothing to wait for, and reads go on at the local replica', async () => {
    const minPosition = await warm(world.pool('ams'))
    // Nobody listens there.
    const pool = await world.informedPool('ams', {
      primary: { region: 'ams', connectionString: 'postgres://127.0.0.1:1/none' },
    })
    await expect.poll(() => whoFor(pool, minPosition).catch(() => ''), { timeout: 5000 }).toMatch(/^nrt/)
    const scope = new Scope({ session: { minPosition, isWanted: true } })
    await runInScope(scope, async () => {
      await expect(pool.query(INSERT)).rejects.toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE' })
      const client = await pool.connect()
      await expect(client.query(INSERT)).rejects.toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE' })
      client.release()
      await expect(withConsistency('strong', () => who(pool))).rejects.toMatchObject({ status: 503 })
      expect(await who(pool)).toMatch(/^nrt/)
    })
    expect(scope.hasWritten).toBe(false)
    expect(await scope.session.capturePosition()).toMatchObject({ lsn: minPosition.lsn })
  })
})

describe('F6: with the primary gone', () => {
  test('with maxLag: by bytes reads go on, by time they are refused once it has been silent for that long', async () => {
    const byTime = await world.informedPool('ams', { maxLag: { millis: 500 }, promotionWaitMillis: 0 })
    const byBytes = await world.informedPool('ams', { maxLag: { bytes: 1_000_000 } })
    for (const pool of [byTime, byBytes]) {
      await expect.poll(() => whoFor(pool, undefined), { timeout: 5000 }).toMatch(/^nrt/)
    }
    await world.cluster.primary.kill()
    try {
      const refused = { code: 'HEADWATER_PRIMARY_UNAVAILABLE', status: 503 }
      await expect
        .poll(() => whoFor(byTime, undefined).catch((error: unknown) => error), { timeout: 5000 })
        .toMatchObject(refused)
      expect(await whoFor(byBytes, undefined)).toMatch(/^nrt/)
      expect(await withConsistency('eventual', () => who(byTime))).toMatch(/^nrt/)
    } finally {
      await world.cluster.primary.restart()
      await world.cluster.waitUntilCaughtUp()
    }
    await expect.poll(() => whoFor(byTime, undefined).catch(() => ''), { timeout: 5000 }).toMatch(/^nrt/)
  })
})

// Last: it changes who is the primary.
describe('F7: a promotion', () => {
  test('changes the timeline: a token from before it reads at the primary, one from after it at a replica that has followed', async () => {
    const home = await world.informedPool('ams')
    const before = await warm(home)
    expect(before.timeline).toBe(1)
    const [first, second] = world.cluster.replicas
    if (first === undefined || second === undefined) throw new Error('unreachable')
    // What the old primary writes behind the fork would keep it from following.
    await second.disconnect()
    await first.promote()
    await second.follow(first)
    const promoted = await world.informedPool('ams', {
      primary: { region: 'ams', connectionString: first.url },
      replicas: [{ region: 'ams', connectionString: second.url }],
    })
    const after = await write(promoted)
    expect(after).toMatchObject({ timeline: 2, cluster: before.cluster })
    await expect.poll(() => whoFor(promoted, after), { timeout: 15_000 }).toBe('nrt-2')
    expect(await whoFor(promoted, before)).toBe('nrt')
    // The old primary does not know that it was replaced. A pool that heard of the later timeline writes to it no more (X7).
    const onOld = await runInScope(new Scope({ session: { minPosition: after, isWanted: true } }), async () => {
      const scope = new Scope({ session: { minPosition: after, isWanted: true } })
      await runInScope(scope, () => home.query(INSERT))
      return scope.session.capturePosition()
    })
    expect(onOld).toMatchObject({ timeline: 2 })
    expect(onOld?.lsn).toBeGreaterThan(after.lsn)
  })

  test('a role that sees the receiver knows at once that a replica has followed, any other by the next restart point', async () => {
    const [first, second] = world.cluster.replicas
    if (first === undefined || second === undefined) throw new Error('unreachable')
    const poolOf = async (role: string, grant: string) => {
      await first.query(`create role ${role} login`)
      await first.query(`grant select, insert on all tables in schema public to ${role}`)
      await first.query(`grant ${grant} to ${role}`)
      const as = (url: string) => Object.assign(new URL(url), { username: role }).href
      return world.pool('ams', {
        primary: { region: 'ams', connectionString: as(first.url) },
        replicas: [{ region: 'ams', connectionString: as(second.url) }],
      })
    }
    const seeing = await poolOf('seeing', 'pg_read_all_stats')
    const plain = await poolOf('plain', 'pg_read_all_settings')
    const after = await write(plain)
    expect(after.timeline).toBe(2)
    await expect.poll(() => whoFor(seeing, after), { timeout: 5000 }).toBe('nrt-2')
    await first.query('checkpoint')
    const afterRestartPoint = async () => {
      await second.query('checkpoint')
      return whoFor(plain, after)
    }
    await expect.poll(afterRestartPoint, { timeout: 5000 }).toBe('nrt-2')
  })
})
