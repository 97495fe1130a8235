import { currentScope } from '@headwater/core'
import { expect, test } from 'vitest'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { type AskSettings, askThrough } from './ask.ts'
import { home, signedSource, write } from './data-layer.ts'

const TOLD: AskSettings = { options: { serverTiming: true } }

/** An answer says where it was made, when the app wants it to. */
export function testServerTiming(adapter: HttpAdapter): void {
  const { askOnce } = askThrough(adapter)

  /** Does what a data layer does with two reads: one next door, one that crosses. */
  async function readTwice(): Promise<Outcome> {
    const trail = currentScope()?.trail
    for (const waited of [0.25, 1.25]) {
      trail?.add({ server: 'replica-0', region: 'nrt', decision: { route: 'replica', reason: 'read' }, waited })
    }
    trail?.add({ server: 'primary', region: 'ams', decision: { route: 'direct', reason: 'behind' }, waited: 81 })
    return { json: 'read', headers: { 'server-timing': 'app;dur=3', 'x-own': 'yes' } }
  }

  test('R7: with serverTiming an answer names the region, the servers, the reasons and the waits, beside the app’s own', async () => {
    const { headers, text } = await askOnce({ handle: readTwice }, {}, TOLD)
    expect([text, headers['x-own']]).toEqual(['"read"', 'yes'])
    expect(headers['server-timing']).toBe(
      'app;dur=3, headwater;desc="nrt", headwater-query;desc="replica-0 in nrt: read, 2x";dur=1.5, ' +
        'headwater-query;desc="primary in ams: behind, 1x";dur=81.0',
    )
  })

  test('R7: without it nothing is said, and nothing is kept', async () => {
    let hasTrail = true
    const handle = async (): Promise<Outcome> => {
      hasTrail = currentScope()?.trail !== undefined
      return { json: 'read' }
    }
    const { headers } = await askOnce({ handle })
    expect([headers['server-timing'], hasTrail]).toEqual([undefined, false])
  })

  test('R7: with serverTiming a replay says where it goes and why, and so does the answer from there', async () => {
    const handle = async (): Promise<Outcome> => ({ json: await write(home) })
    const away = await askOnce({ handle: readThenReplay }, {}, TOLD)
    expect([away.status, away.headers['server-timing']]).toEqual([
      409,
      'headwater;desc="nrt", headwater-replay;desc="to ams: behind"',
    ])
    const answered = await askOnce(
      { handle },
      { headers: signedSource('GET', '/thing') },
      { ...TOLD, topology: home, options: { ...TOLD.options, token: false } },
    )
    expect([answered.status, answered.headers['server-timing']]).toEqual([
      200,
      'headwater;desc="ams", headwater-replay;desc="write"',
    ])
    // A client may say that it was replayed; it is not believed.
    const forged = { 'fly-replay-src': 'instance=1;region=nrt;t=1;state=hw2.1.forged.aaaaaaaaaaaaaaaaaaaaaa.b' }
    const { headers } = await askOnce({ handle: readTwice }, { headers: forged }, { ...TOLD, topology: home })
    expect(headers['server-timing']).not.toContain('replay')
  })

  test('R7: with serverTiming a request whose replay has failed says so', async () => {
    const failed = { 'fly-replay-failed': 'instance=1;region=ams;reason=no_candidate' }
    const { headers } = await askOnce({ handle: readTwice }, { headers: failed }, TOLD)
    expect(headers['server-timing']).toMatch(/, headwater-replay;desc="failed"$/)
  })
}

async function readThenReplay(): Promise<Outcome> {
  const scope = currentScope()
  const topology = scope?.topology?.()
  if (scope === undefined || topology === undefined) throw new Error('there is no scope of a request here')
  throw scope.askForReplay(topology, 'behind')
}
