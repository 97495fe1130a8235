import assert from 'node:assert/strict'
import { frameworks } from './frameworks.mjs'

const secret = 'a secret of this program'

/** Runs `use` with the base URL of an app in `region`. */
async function withApp(world, framework, region, use) {
  await world.withPool(region, async (pool) => {
    const app = await framework.serve({ pool, secret })
    try {
      await use(`http://127.0.0.1:${app.port}`)
    } finally {
      await app.close()
    }
  })
}

export const httpChecks = frameworks.flatMap((framework) => [
  {
    name: `${framework.name}: reads next door, and hands a write to the primary's region`,
    run: (world) =>
      withApp(world, framework, 'nrt', async (url) => {
        const read = await fetch(`${url}/where`)
        assert.equal(read.status, 200)
        assert.deepEqual(await read.json(), { who: 'replica' })
        const body = `${framework.name} away`
        const write = await post(`${url}/notes`, body)
        assert.equal(write.status, 409)
        assert.match(write.headers.get('fly-replay') ?? '', /^region=ams;state=/)
        assert.equal(await write.text(), '')
        assert.equal(await world.notes(body), 0)
      }),
  },
  {
    name: `${framework.name}: a large body arrives whole at home`,
    run: (world) =>
      withApp(world, framework, 'ams', async (url) => {
        const body = `${framework.name} large ${'x'.repeat(300_000)}`
        assert.equal((await post(`${url}/notes`, body)).status, 201)
        assert.equal(await world.notes(body), 1)
      }),
  },
  {
    name: `${framework.name}: the token of a write leads its client to the write`,
    run: (world) =>
      withApp(world, framework, 'ams', async (url) => {
        await world.caughtUp()
        await world.replica.query('select pg_wal_replay_pause()')
        try {
          const body = `${framework.name} token`
          const write = await post(`${url}/notes`, body)
          assert.equal(write.status, 201)
          const token = write.headers.get('headwater-token')
          assert.ok(token, 'the answer to a write has no token')
          const cookie = (write.headers.get('set-cookie') ?? '').split(';')[0]
          assert.match(cookie, /^headwater\./)
          const count = async (headers) => {
            const answer = await fetch(`${url}/notes?body=${encodeURIComponent(body)}`, { headers })
            return (await answer.json()).count
          }
          assert.equal(await count({}), 0, 'a stranger reads on the replica, which is behind')
          assert.equal(await count({ 'headwater-token': token }), 1, 'with the header')
          assert.equal(await count({ cookie }), 1, 'with the cookie')
        } finally {
          await world.replica.query('select pg_wal_replay_resume()')
        }
      }),
  },
])

function post(url, body) {
  return fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain' } })
}
