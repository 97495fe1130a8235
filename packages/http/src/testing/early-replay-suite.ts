import { ensurePrimary } from '@headwater/core'
import { expect, test } from 'vitest'
import type { HeadwaterOptions } from '../options.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askThrough } from './ask.ts'
import { away, expectReplay, home, signedSource, TWO_MEGABYTES, write } from './data-layer.ts'
import type { SendOptions } from './send.ts'

/** Requests that must not run here are replayed before any work. */
export function testEarlyReplays(adapter: HttpAdapter): void {
  const { ask, askOnce } = askThrough(adapter)

  test('P5: a POST is replayed before its handler runs', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => ({ json: ++runs })
    expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}' }, { options: { earlyReplay: true } }))
    expect(runs).toBe(0)
  })

  test('P5: at home nothing is replayed early', async () => {
    const handle = async (): Promise<Outcome> => ({ json: await write(home) })
    const settings = { options: { earlyReplay: true }, topology: home }
    expect((await askOnce({ method: 'POST', handle }, { body: '{}' }, settings)).status).toBe(200)
  })

  test('P5: an unsafe method never runs here first: of 60 POSTs none has run', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => ({ json: ++runs })
    const requests = Array.from({ length: 60 }, () => ({ body: '{}' }))
    const answers = await ask({ method: 'POST', handle }, requests, { options: { earlyReplay: true } })
    for (const sent of answers) expectReplay(sent)
    expect(runs).toBe(0)
  })

  test('P5: a POST that the app declares a read is answered here from the first one on', async () => {
    const earlyReplay = ({ url }: RequestFacts) => (url.startsWith('/search') ? 'never' : undefined)
    const handle = async (): Promise<Outcome> => ({ json: 'found' })
    const search = { method: 'POST', path: '/search', handle } as const
    const answers = await ask(search, [{ body: '{}' }, { body: '{}' }], { options: { earlyReplay } })
    expect(answers.map((sent) => sent.text)).toEqual(['"found"', '"found"'])
    // If it writes after all, it is replayed then.
    const writing = { method: 'POST', path: '/search', handle: async () => ({ json: await write(away) }) } as const
    expectReplay(await askOnce(writing, { body: '{}' }, { options: { earlyReplay } }))
    expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}' }, { options: { earlyReplay } }))
  })

  test('P5: what the app says is always replayed never runs here: a GET, a body of unknown length', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => ({ json: ++runs })
    const options: Partial<HeadwaterOptions> = { earlyReplay: () => 'always' }
    expectReplay(await askOnce({ path: '/callback', handle }, {}, { options }))
    expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}', chunked: true }, { options }))
    expect(runs).toBe(0)
    // What blocks a replay still does.
    const headers = signedSource('GET', '/callback')
    expect((await askOnce({ path: '/callback', handle }, { headers }, { options })).status).toBe(200)
    expect((await askOnce({ path: '/callback', handle }, {}, { options, topology: home })).status).toBe(200)
  })

  test('P7: a request that ran here does not make the next one run here', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => ({ json: ++runs })
    const steering: readonly SendOptions[] = [
      { body: '{}', chunked: true },
      { body: TWO_MEGABYTES },
      { body: '{}', headers: { 'fly-replay-failed': 'reason=no_candidate' } },
    ]
    const answers = await ask(
      { method: 'POST', handle },
      Array.from({ length: 5 }, () => [...steering, { body: '{}' }]).flat(),
      { options: { earlyReplay: true }, parsesBody: 'after' },
    )
    const usual = answers.filter((_, at) => at % 4 === 3)
    for (const sent of usual) expectReplay(sent)
    expect(runs).toBe(15)
  })

  test('P5: after two GETs of a route have written, the next one is replayed early', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => {
      runs += 1
      return { json: await write(away) }
    }
    const requests = Array.from({ length: 6 }, () => ({}))
    const answers = await ask({ path: '/login/callback', handle }, requests, { options: { earlyReplay: true } })
    for (const sent of answers) expectReplay(sent)
    expect(runs).toBe(2)
  })

  test('P5: a failed GET teaches nothing: its route, which writes, is still replayed early', async () => {
    let runs = 0
    const handle = async (): Promise<Outcome> => {
      runs += 1
      return runs <= 2 ? { json: await write(away) } : { status: 422, json: 'invalid' }
    }
    const requests = Array.from({ length: 62 }, () => ({}))
    const answers = await ask({ path: '/login/callback', handle }, requests, { options: { earlyReplay: true } })
    expect(answers.filter((sent) => sent.status === 422).length).toBe(3)
  })

  test('P5: ensurePrimary() replays before any work', async () => {
    let worked = false
    const handle = async (): Promise<Outcome> => {
      ensurePrimary()
      worked = true
      return { json: 'done' }
    }
    expectReplay(await askOnce({ handle }))
    expect(worked).toBe(false)
    expect((await askOnce({ handle }, {}, { topology: home })).text).toBe('"done"')
  })
}
