import { ensurePrimary, getToken, inBackground, ReplayImpossible, runWithToken, see } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen, type Region, SECRET, Stage } from '../stage.ts'
import { frontOf, HOSTS } from './hosts.ts'

// Streams that stay open (server-sent events) and answers that come late (long polling): in every framework, through the proxy.

const PATIENCE_MILLIS = 10_000
const INSERT = 'insert into note (body, region) values ($1, $2)'
const FIND = 'select who, (select count(*)::int from note where body = $1) as notes from server'

/** Where a handler runs. */
interface Here {
  readonly pool: RoutedPool
  readonly region: Region
  readonly write: (line: string) => Promise<void>
}

/** What the handlers do; a request names its own. */
const scripts = new Map<string, (here: Here) => Promise<unknown>>()
/** What a stream does before it begins. */
const beginnings = new Map<string, (here: Pick<Here, 'pool' | 'region'>) => Promise<unknown>>()
let stage: Stage

beforeAll(async () => {
  stage = await Stage.open({
    // The replica is next door to both.
    pool: (region, cluster) => ({ replicas: cluster.replicas.map(({ url }) => ({ region, connectionString: url })) }),
    startApp: ({ pool, region }) => {
      const run = ({ body, write }: { body: string; write: Here['write'] }) =>
        scripts.get(body)?.({ pool, region, write }) ?? Promise.reject(new Error(`nothing is called ${body}`))
      const options = { pool, secret: SECRET, earlyReplay: false }
      return listen(
        frontOf(options, [
          {
            path: '/stream',
            isStreamed: true,
            before: async ({ body }) => beginnings.get(body)?.({ pool, region }),
            handle: run,
          },
          { path: '/poll', isStreamed: false, handle: run },
        ]),
      )
    },
  })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

let made = 0
const newName = () => `stream ${++made}`
const insert = ({ pool, region }: Here, body: string) => pool.query(INSERT, [body, region])
async function find({ pool }: Pick<Here, 'pool'>, body: string): Promise<string> {
  const { rows } = await pool.query<{ who: string; notes: number }>(FIND, [body])
  return rows.map(({ who, notes }) => `${who} sees ${notes}`).join()
}
const blockerOf = (error: unknown) => (error instanceof ReplayImpossible ? error.blocker : String(error))

/** A gate that a test opens for a handler. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** A stream as a client reads it: line by line, each as soon as it comes. */
async function follow(prefix: string, name: string, init: RequestInit = {}, from: Region = 'nrt') {
  const response = await stage.fetch(from, `/${prefix}/stream?body=${encodeURIComponent(name)}`, init)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    async line(): Promise<string | undefined> {
      while (!text.includes('\n')) {
        const { value, done } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) return undefined
        text += value
      }
      const [line = ''] = text.split('\n', 1)
      text = text.slice(line.length + 1)
      return line
    },
  }
}

async function paused(fn: (resume: () => Promise<void>) => Promise<void>): Promise<void> {
  await stage.world.cluster.waitUntilCaughtUp()
  const replica = stage.world.replica()
  await replica.pauseReplay()
  try {
    await fn(() => replica.resumeReplay())
  } finally {
    await replica.resumeReplay()
  }
}

/** Tells who answers a read until it is the replica. */
async function untilNextDoor(here: Here, name: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const found = await find(here, name)
    if (found.startsWith('nrt')) return here.write(found)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The token of somebody who has just written this. */
async function tokenOf(name: string): Promise<string> {
  const write = async () => {
    await stage.pools.ams.query(INSERT, [name, 'ams'])
    return await getToken({ secret: SECRET })
  }
  return (await runWithToken(undefined, write, { secret: SECRET })) ?? ''
}

describe.each(Object.keys(HOSTS))('%s', (prefix) => {
  test('P11: the head of a stream is not held, and each line comes when it is written', async () => {
    const name = newName()
    const { open, opened } = gate()
    scripts.set(name, async (here) => {
      await here.write(await find(here, name))
      await opened
      await here.write('last')
    })
    const stream = await follow(prefix, name)
    expect([stream.response.status, await stream.line()]).toEqual([200, 'nrt sees 0'])
    open()
    expect([await stream.line(), await stream.line()]).toEqual(['last', undefined])
    expect((await stage.way()).hops.map(({ region }) => region)).toEqual(['nrt'])
  })

  test('P4, P12: a write in a stream that has begun is refused away from home; in the background it crosses by itself', async () => {
    const name = newName()
    scripts.set(name, async (here) => {
      await here.write(await find(here, name))
      await here.write(await insert(here, name).then(() => 'written', blockerOf))
      inBackground(() => insert(here, `${name} in the background`))
      await here.write(await find(here, name))
    })
    const stream = await follow(prefix, name)
    expect([await stream.line(), await stream.line(), await stream.line(), await stream.line()]).toEqual([
      'nrt sees 0',
      'response-started',
      'nrt sees 0',
      undefined,
    ])
    expect((await stage.way()).hops.map(({ region }) => region)).toEqual(['nrt'])
    expect(await stage.notes(name)).toEqual([])
    const inBackgroundNotes = () => stage.notes(`${name} in the background`)
    await expect.poll(inBackgroundNotes, { timeout: PATIENCE_MILLIS }).toEqual(['nrt'])
  })

  test('P5: a stream that says at its start that it writes runs at home from its first line to its last', async () => {
    const name = newName()
    beginnings.set(name, async () => ensurePrimary())
    scripts.set(name, async (here) => {
      await here.write(here.region)
      await insert(here, name)
      await here.write(await find(here, name))
    })
    const stream = await follow(prefix, name)
    expect([await stream.line(), await stream.line(), await stream.line()]).toEqual([
      'ams',
      'primary sees 1',
      undefined,
    ])
    expect((await stage.way()).hops.map(({ region }) => region)).toEqual(['nrt', 'ams'])
    expect(await stage.notes(name)).toEqual(['ams'])
  })

  test('R4: a stream that has written reads at the primary, and comes home while it is open', () =>
    paused(async (resume) => {
      const name = newName()
      scripts.set(name, async (here) => {
        await insert(here, name)
        await here.write('begun')
        for (let round = 0; round < 3; round += 1) await here.write(await find(here, name))
        await untilNextDoor(here, name)
      })
      const stream = await follow(prefix, name, {}, 'ams')
      const lines = [await stream.line(), await stream.line(), await stream.line(), await stream.line()]
      expect(lines).toEqual(['begun', 'primary sees 1', 'primary sees 1', 'primary sees 1'])
      await resume()
      expect([await stream.line(), await stream.line()]).toEqual(['nrt sees 1', undefined])
    }))

  test('F1, R4: a stream whose client has seen more is replayed, and comes home to a replica over there', () =>
    paused(async (resume) => {
      const name = newName()
      const token = await tokenOf(name)
      beginnings.set(name, (here) => find({ pool: here.pool }, name))
      scripts.set(name, async (here) => {
        await here.write(here.region)
        await here.write(await find(here, name))
        await untilNextDoor(here, name)
      })
      const stream = await follow(prefix, name, { headers: { 'headwater-token': token } })
      expect([await stream.line(), await stream.line()]).toEqual(['ams', 'primary sees 1'])
      await resume()
      expect(await stream.line()).toBe('nrt sees 1')
    }))

  test('F8, R4: what is brought into an open stream away from home is read over the network, until it is next door', () =>
    paused(async (resume) => {
      const name = newName()
      const token = await tokenOf(name)
      scripts.set(name, async (here) => {
        await here.write(await find(here, name))
        see(token, { secret: SECRET })
        await here.write(await find(here, name).catch(blockerOf))
        await untilNextDoor(here, name)
      })
      const stream = await follow(prefix, name)
      expect([await stream.line(), await stream.line()]).toEqual(['nrt sees 0', 'primary sees 1'])
      await resume()
      expect([await stream.line(), await stream.line()]).toEqual(['nrt sees 1', undefined])
      expect((await stage.way()).hops.map(({ region }) => region)).toEqual(['nrt'])
    }))

  test('P1, F5: a long poll waits next door, sees what others write, and crosses once if it writes in the end', async () => {
    const [news, mark] = [newName(), newName()]
    const isWaiting = gate()
    const regions: Region[] = []
    scripts.set(mark, async (here) => {
      regions.push(here.region)
      for (let found = 'sees 0'; found.endsWith('sees 0'); await new Promise((resolve) => setTimeout(resolve, 5))) {
        found = await find(here, news)
        isWaiting.open()
      }
      const found = await find(here, news)
      await insert(here, mark)
      return found
    })
    const answered = stage.fetch('nrt', `/${prefix}/poll?body=${encodeURIComponent(mark)}`)
    await isWaiting.opened
    await stage.pools.ams.query(INSERT, [news, 'ams'])
    const answer = (await (await answered).json()) as { answer: string }
    expect(answer.answer).toMatch(/sees 1$/)
    expect([regions, (await stage.way()).hops.map(({ region }) => region)]).toEqual([
      ['nrt', 'ams'],
      ['nrt', 'ams'],
    ])
    expect(await stage.notes(mark)).toEqual(['ams'])
  })
})
