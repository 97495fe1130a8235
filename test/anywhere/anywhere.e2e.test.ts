import { isThere } from '@headwater/example-local-world/proxy-program'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Anywhere } from './anywhere.ts'
import * as checks from './checks.ts'
import { EDGES } from './edges.ts'

// One suite for every way to the primary's region, in all frameworks, on a real primary and a real replica.

describe.each(EDGES.map((edge) => [edge.name, edge] as const))('P9: by %s', (name, edge) => {
  const isMissing = edge.program !== undefined && !isThere(edge.program)
  if (isMissing) process.stdout.write(`${name} is skipped: there is no ${edge.program} on this machine\n`)

  describe.skipIf(isMissing)('the real server', () => {
    let anywhere: Anywhere
    beforeAll(async () => {
      anywhere = await Anywhere.open(edge)
    })
    afterAll(() => anywhere?.[Symbol.asyncDispose]())

    const holds = (finding: checks.Finding) => expect(finding).toEqual({ ...finding, isRight: true })

    test('P9: POSTs land once, in the primary’s region, byte for byte', async () =>
      holds(await checks.landsOnce(anywhere, checks.SHORT.posts)))
    test('P2: a GET that writes late is replayed', async () => holds(await checks.replaysLate(anywhere)))
    test('R1: reads stay next door', async () => holds(await checks.readsStay(anywhere)))
    test('P4: a body over the limit is a 413, and lands nowhere', async () =>
      holds(await checks.refusesLarge(anywhere)))
    test('P8: without an app in the primary’s region reads work, and a write is a 503 with Retry-After', async () =>
      holds(await checks.degrades(anywhere)))
    test('P9: an app that dies behind its COMMIT invites no second write', async () =>
      holds(await checks.tellsUnknown(anywhere)))
    test('P7: what clients invent steers nothing', async () =>
      holds(await checks.ignoresForgeries(anywhere, checks.SHORT.forged)))
  })
})
