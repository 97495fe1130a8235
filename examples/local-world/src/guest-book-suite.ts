import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Guest } from './guest.ts'
import { LocalWorld, REGIONS } from './local-world.ts'

export interface GuestBook {
  /** The example's own folder. */
  readonly folder: string
  /** Tests of this example alone, in the same running world. */
  readonly more?: (world: () => LocalWorld) => void
}

interface Note {
  readonly id: number
  readonly author: string
  readonly body: string
  readonly writtenIn: string
}

/** What every guest book promises to its guests, asked of the real app in two regions, through the proxy. */
export function describeGuestBook(name: string, { folder, more }: GuestBook): void {
  describe(name, () => {
    let world: LocalWorld
    const printed: string[] = []

    beforeAll(async () => {
      world = await LocalWorld.start({ folder, onLine: (from, line) => printed.push(`${from}: ${line}`) })
    })
    afterAll(async () => {
      await world?.[Symbol.asyncDispose]()
    })

    /** The regions of the apps that wrote this note, as the primary has it. */
    const written = async (body: string): Promise<string[]> => {
      const rows = await world.cluster.primary.query<{ written_in: string }>(
        'select written_in from note where body = $1',
        [body],
      )
      return rows.map((row) => row.written_in)
    }
    const signedIn = async (name: string): Promise<Guest> => {
      const guest = new Guest(world)
      expect((await guest.ask('nrt', '/api/session', { json: { name } })).status).toBe(201)
      return guest
    }

    test('is healthy in each region, by itself', async () => {
      for (const region of REGIONS) {
        const response = await new Guest(world).ask(region, '/health')
        expect(response.status).toBe(200)
        expect(await response.json()).toEqual({ status: 'ok', region })
        expect(await world.lastWay()).toBe(region)
      }
    })

    test('a guest signs in from Tokyo, and is known in both regions', async () => {
      const guest = new Guest(world)
      expect((await guest.ask('nrt', '/api/session')).status).toBe(401)
      const response = await guest.ask('nrt', '/api/session', { json: { name: 'Ada' } })
      expect([response.status, response.headers.get('x-served-by')]).toEqual([201, 'ams'])
      for (const region of REGIONS) {
        const known = await guest.ask(region, '/api/session')
        expect([known.status, await known.json()]).toEqual([200, { name: 'Ada' }])
      }
    })

    test('F1: a guest is known, and sees the own note, where the replica has heard of neither', async () => {
      const [replica] = world.cluster.replicas
      await replica?.pauseReplay()
      try {
        const guest = await signedIn('Early Bird')
        await world.lastWay()
        for (let times = 0; times < 3; times += 1) {
          const known = await guest.ask('nrt', '/api/session')
          expect([known.status, await known.json()]).toEqual([200, { name: 'Early Bird' }])
          expect(await world.lastWay()).toBe('nrt → ams')
        }
        const signed = await guest.ask('nrt', '/notes', { form: { body: 'Before the others' } })
        const page = await guest.ask('nrt', signed.headers.get('location') ?? '')
        expect(page.headers.get('x-served-by')).toBe('ams')
        expect(await page.text()).toContain('Before the others')
        // The replica is indeed behind, and the routes are not taken for ones that write.
        const stranger = await new Guest(world).ask('nrt', '/')
        expect(stranger.headers.get('x-served-by')).toBe('nrt')
        expect(await stranger.text()).not.toContain('Before the others')
        await replica?.resumeReplay()
        const served = async () => (await guest.ask('nrt', '/')).headers.get('x-served-by')
        await expect.poll(served, { timeout: 5000 }).toBe('nrt')
      } finally {
        await replica?.resumeReplay()
      }
    })

    test('the cookie is signed, and out of the reach of scripts', async () => {
      const guest = new Guest(world)
      const response = await guest.ask('nrt', '/api/session', { json: { name: 'Grace' } })
      const line = response.headers.getSetCookie().join('\n')
      expect(line).toMatch(/httponly/i)
      expect(line).toMatch(/samesite=lax/i)
      // The same session, and another signature: that is the end of the last cookie.
      const forger = new Guest(world)
      const session = guest.cookie.split('; ').filter((cookie) => !cookie.startsWith('headwater.'))
      for (const cookie of session) {
        const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(cookie) ?? []
        forger.forge(name, value)
        if (cookie === session.at(-1)) forger.forge(name, withOtherSignature(value))
      }
      expect((await forger.ask('nrt', '/api/session')).status).toBe(401)
      expect((await forger.ask('ams', '/api/notes', { json: { body: 'forged' } })).status).toBe(401)
      expect(await written('forged')).toEqual([])
    })

    test('what is no note is refused with 400, and nothing is written', async () => {
      const guest = await signedIn('Bad')
      const count = () => world.cluster.primary.query('select count(*) from note')
      const before = await count()
      for (const json of [{}, { body: '   ' }, { body: 7 }, { body: 'x'.repeat(501) }]) {
        const response = await guest.ask('nrt', '/api/notes', { json })
        expect(response.status, JSON.stringify(json)).toBe(400)
        expect(((await response.json()) as { error: string }).error).toMatch(/^body: /)
      }
      expect(await count()).toEqual(before)
    })

    test('what is no JSON is refused with 400', async () => {
      const guest = await signedIn('Bad')
      const response = await fetch(`${world.url('nrt')}/api/notes`, {
        method: 'POST',
        headers: { cookie: guest.cookie, 'content-type': 'application/json' },
        body: '{',
      })
      expect(response.status).toBe(400)
      await response.body?.cancel()
    })

    test('a note from Tokyo is written once, in Amsterdam, and read next door', async () => {
      const guest = await signedIn('Ada')
      await world.lastWay()
      const response = await guest.ask('nrt', '/api/notes', { json: { body: 'Hello from Tokyo' } })
      expect(response.status).toBe(201)
      expect(response.headers.get('x-served-by')).toBe('ams')
      const note = (await response.json()) as Note
      expect(note).toMatchObject({ author: 'Ada', body: 'Hello from Tokyo', writtenIn: 'ams' })
      expect(await world.lastWay()).toBe('nrt → ams')
      expect(await written('Hello from Tokyo')).toEqual(['ams'])
      for (const region of REGIONS) {
        const list = async (): Promise<Note[]> => {
          const response = await guest.ask(region, '/api/notes')
          expect(response.headers.get('x-served-by')).toBe(region)
          return (await response.json()) as Note[]
        }
        await expect.poll(list, { timeout: 5000 }).toContainEqual(note)
      }
    })

    test('who is not signed in writes nothing', async () => {
      const response = await new Guest(world).ask('nrt', '/api/notes', { json: { body: 'anonymous' } })
      expect(response.status).toBe(401)
      expect(await written('anonymous')).toEqual([])
    })

    test('the page works without a script', async () => {
      const guest = new Guest(world)
      expect(await (await guest.ask('nrt', '/')).text()).toContain('Sign in')
      const signIn = await guest.ask('nrt', '/sign-in', { form: { name: 'Linus <b>' } })
      expect([signIn.status, signIn.headers.get('location')]).toEqual([303, '/'])
      const refused = await guest.ask('nrt', '/notes', { form: { body: ' ' } })
      expect(refused.status).toBe(400)
      expect(await refused.text()).toContain('expected something to read')
      const signed = await guest.ask('nrt', '/notes', { form: { body: '<script>alert(1)</script>' } })
      expect(signed.status).toBe(303)
      const page = await guest.ask('nrt', signed.headers.get('location') ?? '')
      const text = await page.text()
      expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
      expect(text).toContain('Linus &lt;b&gt;')
      expect(text).not.toContain('<script>alert')
    })

    test('a guest who signs out is a stranger in both regions', async () => {
      const guest = await signedIn('Ada')
      const cookie = guest.cookie
      expect((await guest.ask('nrt', '/api/session', { method: 'DELETE' })).status).toBe(204)
      expect((await guest.ask('nrt', '/api/session')).status).toBe(401)
      // The old cookie is worth nothing either, once the replica has heard of it.
      const status = async (region: (typeof REGIONS)[number]) => {
        const response = await fetch(`${world.url(region)}/api/session`, { headers: { cookie } })
        await response.body?.cancel()
        return response.status
      }
      for (const region of REGIONS) await expect.poll(() => status(region), { timeout: 5000 }).toBe(401)
    })

    test('the migrations may run again, and twice at once', async () => {
      const { primary } = world.cluster
      const columns = () =>
        primary.query(
          "select table_schema, table_name, column_name, data_type from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2, 3",
        )
      const before = await columns()
      await primary.query('create database twice')
      const twice = new URL(primary.url)
      twice.pathname = '/twice'
      const outputs = await Promise.all([world.migrate(), world.migrate(twice.href), world.migrate(twice.href)])
      for (const output of outputs) expect(output).toContain('The schema is up to date')
      expect(await columns()).toEqual(before)
      expect(await written('Hello from Tokyo')).toEqual(['ams'])
    })

    more?.(() => world)

    test('without a primary the book can be read, and a write is told to come back', async () => {
      const guest = await signedIn('Ada')
      await expect.poll(async () => (await guest.ask('nrt', '/api/session')).status, { timeout: 5000 }).toBe(200)
      await world.cluster.waitUntilCaughtUp()
      await world.cluster.primary.kill()
      const known = await guest.ask('nrt', '/')
      expect([known.status, known.headers.get('x-served-by')]).toEqual([200, 'nrt'])
      expect(await known.text()).toContain('Ada writes')
      const response = await guest.ask('nrt', '/api/notes', { json: { body: 'Anybody home?' } })
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
      expect((await guest.ask('nrt', '/health')).status).toBe(200)
      const page = await guest.ask('nrt', '/')
      expect([page.status, page.headers.get('x-served-by')]).toEqual([200, 'nrt'])
      expect(await page.text()).toContain('Before the others')
      await world.cluster.primary.start()
      expect(await written('Anybody home?')).toEqual([])
      expect((await guest.ask('nrt', '/api/notes', { json: { body: 'Back again' } })).status).toBe(201)
      expect(await written('Back again')).toEqual(['ams'])
    })

    test('ends when asked to, and leaves nothing behind', async () => {
      const ends = REGIONS.map((region) => world.apps[region].finished())
      const pids = REGIONS.map((region) => world.apps[region].pid ?? 0)
      await world[Symbol.asyncDispose]()
      for (const { code, output } of await Promise.all(ends)) {
        expect(code, output).toBe(0)
        expect(output).toContain('Ended.')
      }
      for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
      // Nothing went wrong without anybody noticing; a server that is killed is no fault of the app, and is told of (O1).
      const isExpected = (line: string) => line.includes('HEADWATER_SERVER_DOWN') || line.includes('--trace-warnings')
      expect(printed.filter((line) => /error|warning/i.test(line) && !isExpected(line))).toEqual([])
      expect(printed.filter((line) => line.includes('HEADWATER_SERVER_DOWN')).length).toBeLessThanOrEqual(
        REGIONS.length,
      )
    })
  })
}

/** With other characters where, in each framework, some of the signature is. */
function withOtherSignature(value: string): string {
  return value.replace(/.{6}(?=.{6}$)/, (some) => (some === 'AAAAAA' ? 'BBBBBB' : 'AAAAAA'))
}
