import { currentScope, type Topology } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { expect } from 'vitest'
import { signState } from '../replay/replay-state.ts'
import type { Sent } from './send.ts'

export const SECRET: string = 'a secret of the conformance suite'

export const away: Topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
export const home: Topology = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })

/** A body above the default limit. */
export const TWO_MEGABYTES: string = JSON.stringify({ text: 'x'.repeat(2_000_000) })

/** Does what a data layer does with a write: sends it at home, asks for a replay elsewhere. */
export async function write(topology: Topology, reason: 'write' | 'refused' = 'write'): Promise<string> {
  const scope = currentScope()
  if (scope === undefined) throw new Error('there is no scope here; run the handler in the scope of its request')
  await new Promise((resolve) => setImmediate(resolve))
  if (!topology.isAtHome) throw scope.askForReplay(topology, reason)
  scope.hasWritten = true
  return 'written'
}

/** The header that Fly's proxy puts on a request that it replays. */
export function signedSource(method: string, path: string, now: number = Date.now()): Record<string, string> {
  const state = signState([SECRET], { method, url: path }, 'write', now)
  return { 'fly-replay-src': `instance=148e;region=nrt;t=${now * 1000};state=${state}` }
}

/** Expects a replay answer, with nothing left of what the handler put on the response. */
export function expectReplay(sent: Sent, region = 'ams'): void {
  expect(sent.status).toBe(409)
  expect(sent.text).toBe('')
  expect(sent.headers['fly-replay']).toMatch(
    new RegExp(
      `^region=${region};state=hw2\\.[0-9a-z]+\\.[a-z-]+\\.[\\w-]{22}\\.[\\w-]{43};timeout=10s;fallback=prefer_self$`,
    ),
  )
  const { date: _, connection: __, 'keep-alive': ___, ...rest } = sent.headers
  expect(rest).toEqual({
    'fly-replay': sent.headers['fly-replay'],
    'cache-control': 'no-store',
    'content-length': '0',
  })
}
