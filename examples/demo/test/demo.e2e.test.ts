import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAlive, RunningDemo } from './running-demo.ts'

describe('the tour', () => {
  test('--once measures, checks, and exits with 0', async () => {
    await using demo = new RunningDemo('--once')
    expect(await demo.exitCode(), demo.output).toBe(0)
    for (const title of [
      'A read in nrt',
      'A write in nrt',
      'A GET in nrt that turns out to write',
      'A visitor in nrt',
      'Side by side',
    ]) {
      expect(demo.output).toContain(title)
    }
    expect(demo.output.match(/✓/g)).toHaveLength(10)
    expect(demo.output).not.toContain('✗')
    // Not a terminal: no colours.
    expect(demo.output).not.toContain('\u001b')
    // What the pools say when they start is as long as their servers are many.
    const lines = demo.output.split('\n').filter((line) => !line.startsWith('headwater: '))
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
    const [read, write, naive] = ['read, next door', 'write, replayed', 'write, the naive way'].map((row) =>
      Number(new RegExp(`${row}.* ([\\d.,]+) ms`).exec(demo.output)?.[1]?.replace(',', '')),
    )
    expect(read).toBeLessThan(100)
    // One crossing of 240 ms; seven of them.
    expect(write).toBeGreaterThan(239)
    expect(naive).toBeGreaterThan(7 * 239)
  })

  test('an unknown flag is named, and nothing is started', async () => {
    await using demo = new RunningDemo('--port', 'eighty')
    expect(await demo.exitCode()).toBe(2)
    expect(demo.output).toContain('--port eighty is not a port; expected 0 to 65535')
  })

  test('Ctrl-C while it starts leaves nothing behind', async () => {
    await using demo = new RunningDemo('--once')
    await demo.shows(/up in/)
    const processes = demo.processes()
    demo.interrupt()
    expect(await demo.exitCode()).toBe(130)
    expect(processes.filter(isAlive)).toEqual([])
  })
})

const executablePath = findChromium()
if (executablePath === undefined) {
  console.warn('The page is not tested: no Chromium. Install one, or name it in CHROMIUM_PATH.')
}

describe.skipIf(executablePath === undefined)('the page', () => {
  let demo: RunningDemo
  let browser: Browser
  let page: Page
  let url: string
  const complaints: string[] = []

  beforeAll(async () => {
    demo = new RunningDemo('--no-tour')
    url = (await demo.shows(/http:\/\/127\.0\.0\.1:\d+/))[0]
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      // Chromium's sandbox does not run as root, nor in most containers.
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    })
    page = await browser.newPage()
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) complaints.push(request.url())
    })
    await page.goto(url)
  })

  afterAll(async () => {
    await browser?.close()
    await demo?.[Symbol.asyncDispose]()
  })

  const button = (region: string, name: string) => page.locator(`[data-region=${region}]`).getByRole('button', { name })
  const newest = () => page.locator('.entry').first()
  const hasFocus = async (region: string, kind: string) =>
    (await page.locator(`[data-region=${region}] .${kind}:focus`).count()) === 1
  const station = (region: string) => page.locator(`[data-region=${region}]`)

  test('a read in nrt is answered by the replica in nrt', async () => {
    await button('nrt', 'Read').first().click()
    await newest().getByText('The replica next door in nrt answered.').waitFor()
    expect(await newest().textContent()).toContain('Read from nrt')
  })

  test('a write in nrt is replayed to ams, by keyboard alone', async () => {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab')
      if (await hasFocus('nrt', 'write')) break
    }
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    await newest().getByText('Handed over to ams: 5 queries at the primary, one crossing.').waitFor()
    expect(await newest().textContent()).toContain('Write from nrt')
    expect(await page.locator('#announcer').textContent()).toMatch(/^Write from nrt: \d+ ms\. /)
    // The focus stays where it was, ready for the next.
    expect(await hasFocus('nrt', 'write')).toBe(true)
  })

  test('the naive way crosses the ocean once a query', async () => {
    await button('nrt', 'Naive write').click()
    await newest().getByText('7 round trips from the app in nrt to the primary in ams').waitFor()
    await page.locator('#soundings').getByText('7 oceans').waitFor()
  })

  test('a paused replica falls behind, and catches up', async () => {
    const pause = button('nrt', 'Pause replay')
    await pause.click()
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('true')
    await button('ams', 'Write').first().click()
    await expect
      .poll(() => station('nrt').locator('.state').textContent(), { timeout: 10_000 })
      .toMatch(/Paused, \d\.\d s/)
    await pause.click()
    await expect.poll(() => station('nrt').locator('.bytes').textContent(), { timeout: 10_000 }).toBe('0 bytes')
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('false')
  })

  test('F1: a visitor sees the own note, with the replica paused, until tokens are switched off', async () => {
    const pause = button('nrt', 'Pause replay')
    await pause.click()
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('true')
    await button('nrt', 'Write, then read at once').click()
    const seen = newest().getByText(/^No replica in nrt has what this visitor has seen, also after \d+ ms \(behind\)/)
    await seen.waitFor()
    expect(await seen.textContent()).toContain('Handed over to ams')
    expect(await seen.textContent()).toContain('The visitor’s own note is there.')
    const tokens = page.getByRole('switch')
    await tokens.click()
    expect(await tokens.getAttribute('aria-checked')).toBe('false')
    await button('nrt', 'Read').first().click()
    await newest().getByText('“I saved it, and it is not there”').waitFor()
    expect(await newest().textContent()).toContain('Read from nrt, tokens off')
    await tokens.click()
    await button('nrt', 'Read').first().click()
    await newest().getByText('The visitor’s own note is there.').waitFor()
    await pause.click()
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('false')
    await expect.poll(() => station('nrt').locator('.bytes').textContent(), { timeout: 10_000 }).toBe('0 bytes')
  })

  test('F4: with one of two replicas paused, the other one shows the own note', async () => {
    const pause = button('nrt', 'Pause one of two')
    await pause.click()
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('true')
    let story: string | null = null
    // Which one is asked first changes from request to request.
    for (let round = 0; round < 8 && !story?.startsWith('One replica lacks'); round += 1) {
      await button('nrt', 'Write').first().click()
      await newest().getByText('Handed over to ams').waitFor()
      // Longer than a watcher sleeps: then it is known which of them has the note.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await button('nrt', 'Read').first().click()
      await newest().getByText('The visitor’s own note is there.').waitFor()
      story = await newest().locator('.story').textContent()
      expect(story).toContain('next door in nrt answered.')
    }
    expect(story).toMatch(/^One replica lacks .*; the other one next door in nrt answered\./)
    await pause.click()
    await expect.poll(() => pause.getAttribute('aria-pressed')).toBe('false')
    await expect.poll(() => station('nrt').locator('.bytes').textContent(), { timeout: 10_000 }).toBe('0 bytes')
  })

  test('F4: with replicas a moment late, a read waits for the own note, and stays next door', async () => {
    const lag = button('nrt', 'Lag 30 ms more')
    await lag.click()
    await expect.poll(() => lag.getAttribute('aria-pressed')).toBe('true')
    const stories: (string | null)[] = []
    // On a busy machine the answer to the write comes late, or the replica later still: then there is another story.
    for (let round = 0; round < 8 && !/^The read waited/.test(stories.at(-1) ?? ''); round += 1) {
      const before = await page.locator('.entry').count()
      await button('nrt', 'Write, then read at once').click()
      await expect.poll(() => page.locator('.entry').count()).toBe(before + 2)
      await newest().getByText('The visitor’s own note is there.').waitFor()
      stories.push(await newest().locator('.story').textContent())
    }
    expect(stories.at(-1)).toMatch(
      /^The read waited \d+ ms for .*, then the (second )?replica next door in nrt answered\./,
    )
    await lag.click()
    await expect.poll(() => lag.getAttribute('aria-pressed')).toBe('false')
  })

  test('with the primary gone a write is answered with 503 and Retry-After, and a read goes on', async () => {
    const kill = button('ams', 'Kill primary')
    await kill.click()
    await expect.poll(() => kill.getAttribute('aria-pressed'), { timeout: 10_000 }).toBe('true')
    await button('nrt', 'Read').first().click()
    await newest().getByText('The replica next door in nrt answered.').waitFor()
    await button('nrt', 'Write').first().click()
    await newest()
      .getByText(/^503: .* Nothing was written\. Retry-After: 1 s\./)
      .waitFor()
    await button('nrt', 'Read').first().click()
    await newest().getByText('The replica next door in nrt answered.').waitFor()
    await kill.click()
    await expect.poll(() => kill.getAttribute('aria-pressed'), { timeout: 10_000 }).toBe('false')
    await button('nrt', 'Write').first().click()
    await newest().getByText('Handed over to ams').waitFor()
  })

  test('a region that is down is served by the nearest that is up', async () => {
    const down = button('nrt', 'Region down')
    await down.click()
    await expect.poll(() => down.getAttribute('aria-pressed'), { timeout: 10_000 }).toBe('true')
    await button('nrt', 'Read').first().click()
    await newest().getByText('nrt is down, so the edge in ord took the request.').waitFor()
    await down.click()
    await expect.poll(() => down.getAttribute('aria-pressed'), { timeout: 10_000 }).toBe('false')
  })

  test('a phone shows all of it, by day and by night', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width: 390, height: 844 })
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
      const sizes = await page.getByRole('button').evaluateAll((all) => all.map((one) => one.clientHeight))
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(40)
    }
  })

  test('where motion is not wanted, nothing travels', async () => {
    // A write that waited for a primary travels four times as long as it waited: the page begins anew.
    await page.reload()
    await button('nrt', 'Write').first().click()
    await page.locator('.packet.write').first().waitFor()
    await expect.poll(() => page.locator('.packet').count(), { timeout: 40_000 }).toBe(0)
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await button('nrt', 'Write').first().click()
    await page.locator('.cable.lit').waitFor({ state: 'attached' })
    expect(await page.locator('.packet').count()).toBe(0)
  })

  test('X8: Tokyo is promoted by a button, and the map turns round', async () => {
    await page.emulateMedia({ reducedMotion: null, colorScheme: 'light' })
    await page.setViewportSize({ width: 1280, height: 1000 })
    expect(await page.locator('.station.home').getAttribute('class')).toContain('ams')
    await button('nrt', 'Promote Tokyo').click()
    await expect.poll(() => page.locator('.station.home').getAttribute('class'), { timeout: 40_000 }).toContain('nrt')
    await page.getByText('Promoted: nrt takes the writes').waitFor()
    await expect.poll(() => station('nrt').locator('.role').textContent()).toBe('Primary. Every write ends here.')
    expect(await station('ord').locator('.role').textContent()).toMatch(/^Replica, \d+ ms from nrt and back\.$/)
    expect(await station('ams').locator('.role').textContent()).toBe('Was the primary, and gave way to nrt.')
    await page
      .locator('#soundings-note')
      .getByText(/^One ocean, ord to nrt and back, is \d+ ms\.$/)
      .waitFor()
    await button('nrt', 'Write').first().click()
    await newest().getByText('The primary in nrt is next door here, and answered.').waitFor()
    for (const from of ['ord', 'ams']) {
      await button(from, 'Write').first().click()
      await newest().getByText('Handed over to nrt: 5 queries at the primary, one crossing.').waitFor()
    }
    await button('ord', 'Read').first().click()
    await newest().getByText('The visitor’s own note is there.').waitFor()
  })

  test('X8: the old primary rejoins by a button, and is promoted again', async () => {
    await button('ams', 'Rejoin Amsterdam').click()
    await page.getByText('Rejoined: the old primary in ams follows nrt').waitFor()
    await expect
      .poll(() => station('ams').locator('.role').textContent())
      .toMatch(/^Replica, \d+ ms from nrt and back\.$/)
    await button('ams', 'Read').first().click()
    await newest().getByText('The replica next door in ams answered.').waitFor()
    await button('ams', 'Promote Amsterdam').click()
    await expect.poll(() => page.locator('.station.home').getAttribute('class'), { timeout: 40_000 }).toContain('ams')
    await expect.poll(() => station('ams').locator('.role').textContent()).toBe('Primary. Every write ends here.')
    // One of two was left behind there, and the other one goes on.
    await button('nrt', 'Rejoin Tokyo').waitFor()
    await button('nrt', 'Write').first().click()
    await newest().getByText('Handed over to ams: 5 queries at the primary, one crossing.').waitFor()
  })

  test('the page asks nothing of anybody else, and nobody else can act through it', async () => {
    expect(complaints).toEqual([])
    const body = JSON.stringify({ do: 'region-down', region: 'nrt' })
    const from = async (headers: Record<string, string>) =>
      (await fetch(`${url}/act`, { method: 'POST', headers, body })).status
    expect(await from({ 'content-type': 'application/json', origin: 'http://example.com' })).toBe(403)
    expect(await from({ 'content-type': 'text/plain' })).toBe(415)
  })

  test('Ctrl-C ends every process, with a page open', async () => {
    const processes = demo.processes()
    demo.interrupt()
    expect(await demo.exitCode(), demo.output).toBe(0)
    expect(processes.filter(isAlive)).toEqual([])
  })
})

/** CHROMIUM_PATH, or the first that the PATH has. */
function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  return [process.env['CHROMIUM_PATH'] ?? '', ...candidates].find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return path !== ''
    } catch {
      return false
    }
  })
}
