import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import { headwater } from '@headwater/http/hono'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Instance, listen, SECRET, Stage } from './stage.ts'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const hasChromium = existsSync(executablePath)
if (!hasChromium) console.warn('No browser is tested: no Chromium. Install one, or name it in CHROMIUM_PATH.')

/** Counts notes, and holds its answer back for a while when it is asked to: the client gets it later than others. */
function startApp({ pool }: Instance): Promise<Server> {
  const app = new Hono()
  app.use(headwater({ pool, secret: SECRET, earlyReplay: false }))
  const held = (time: string | undefined) => new Promise((resolve) => setTimeout(resolve, Number(time ?? 0)))
  app.get('/', (context) => context.html('<title>notes</title>'))
  app.get('/count', async (context) => {
    const { rows } = await pool.query('select count(*)::int as notes, (select who from server) from note')
    await held(context.req.query('held'))
    return context.json(rows[0])
  })
  app.post('/write', async (context) => {
    await pool.query("insert into note (body, region) values ('from a page', 'nrt')")
    await held(context.req.query('held'))
    return context.json('written')
  })
  return listen(createAdaptorServer(app) as Server)
}

describe.skipIf(!hasChromium)('a page in a real browser', () => {
  let stage: Stage
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    stage = await Stage.open({ startApp, pool: () => ({ maxWaitMillis: 300 }) })
    // Chromium's sandbox does not run as root, nor in most containers.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
    page = await browser.newPage()
    await page.goto(stage.proxy.edge('nrt').url)
  })
  afterAll(async () => {
    await browser?.close()
    await stage?.[Symbol.asyncDispose]()
  })

  const ours = async () => (await page.context().cookies()).filter(({ name }) => name.startsWith('headwater.'))
  const script = (text: string): Promise<unknown> => page.evaluate(`(async () => { ${text} })()`)

  test('F1: sees its write, also when a read that knows less is answered last', async () => {
    await script("await fetch('/write', { method: 'POST' })")
    await stage.world.cluster.waitUntilCaughtUp()
    expect(await ours()).toHaveLength(1)
    // The watcher's first look.
    await expect
      .poll(() => script("return (await fetch('/count')).json()"), { timeout: 10_000 })
      .toEqual({ notes: 1, who: 'nrt' })
    // Past the moment in which reads share a mark: the next ones leave a new one.
    await new Promise((resolve) => setTimeout(resolve, 600))
    await stage.world.cluster.replicas[0]?.pauseReplay()
    try {
      const answers = await script(`
        const order = []
        const ask = async (path, init) => {
          const answer = await (await fetch(path, init)).json()
          order.push(answer.notes ?? answer)
        }
        const reads = [ask('/count?held=900'), ask('/count?held=600'), ask('/count?held=100')]
        await new Promise((resolve) => setTimeout(resolve, 50))
        await Promise.all([...reads, ask('/write?held=200', { method: 'POST' })])
        return order
      `)
      expect(answers).toEqual([1, 'written', 1, 1])
      expect((await ours()).length).toBeGreaterThan(1)
      const read = "return (await fetch('/count')).json()"
      expect(await script(read)).toEqual({ notes: 2, who: 'primary' })
      // One takes their place.
      await new Promise((resolve) => setTimeout(resolve, 600))
      expect(await script(read)).toEqual({ notes: 2, who: 'primary' })
      expect(await ours()).toHaveLength(1)
    } finally {
      await stage.world.cluster.replicas[0]?.resumeReplay()
    }
  })
})
