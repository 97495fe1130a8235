import { fileURLToPath } from 'node:url'
import { Guest } from '@headwater/example-local-world/guest'
import { describeGuestBook } from '@headwater/example-local-world/guest-book-suite'
import { expect, test } from 'vitest'

describeGuestBook('express-kysely', {
  folder: fileURLToPath(new URL('..', import.meta.url)),
  more(world) {
    const sessions = () =>
      world().cluster.primary.query<{ sid: string; expire: Date }>('select sid, expire from session order by sid')

    test('whoever signs in again gets a new session, and the old one is gone', async () => {
      const guest = new Guest(world())
      await guest.ask('nrt', '/api/session', { json: { name: 'Ada' } })
      const old = guest.cookie
      const before = (await sessions()).length
      expect((await guest.ask('nrt', '/api/session', { json: { name: 'Ada' } })).status).toBe(201)
      expect(guest.cookie).not.toBe(old)
      expect(await sessions()).toHaveLength(before)
    })

    test('a request that only reads writes no session', async () => {
      const guest = new Guest(world())
      await guest.ask('ams', '/api/session', { json: { name: 'Ada' } })
      const before = await sessions()
      for (const region of ['ams', 'nrt'] as const) {
        for (const path of ['/', '/api/notes', '/api/session']) await guest.ask(region, path)
        await new Guest(world()).ask(region, '/')
      }
      expect(await sessions()).toEqual(before)
    })
  },
})
