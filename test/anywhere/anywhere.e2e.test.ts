import { isThere } from '@headwater/example-local-world/proxy-program'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SHORT } from './all-findings.ts'
import { Anywhere } from './anywhere.ts'
import { readsGoOn, survives } from './checks/deaths.ts'
import { ignoresForgeries } from './checks/forgeries.ts'
import { landsOnce, readsStay, refusesLarge, replaysLate } from './checks/landing.ts'
import type { Finding } from './finding.ts'
import { WAY_NAMES, wayOf } from './ways.ts'

// One suite for every way to the primary's region, in all frameworks, on a real primary and its replicas. `pnpm anywhere` runs it in full.

describe.each(WAY_NAMES)('P9: by %s', (name) => {
  const { program } = wayOf(name)
  const isMissing = program !== undefined && !isThere(program)
  if (isMissing) process.stdout.write(`${name} is skipped: there is no ${program} on this machine\n`)

  describe.skipIf(isMissing)('the real server', () => {
    let anywhere: Anywhere
    beforeAll(async () => {
      anywhere = await Anywhere.open(name)
    })
    afterAll(() => anywhere?.[Symbol.asyncDispose]())

    const holds = (finding: Finding) => expect(finding).toEqual({ ...finding, isRight: true })

    test('P9: POSTs land once, in the primary’s region, byte for byte', async () =>
      holds(await landsOnce(anywhere, SHORT.posts)))
    test('P2: a GET that writes late is replayed', async () => holds(await replaysLate(anywhere)))
    test('R1: reads stay next door', async () => holds(await readsStay(anywhere)))
    test('P4: a body over the limit is a 413, and lands nowhere', async () => holds(await refusesLarge(anywhere)))
    test('P7: what clients invent steers nothing', async () => holds(await ignoresForgeries(anywhere, SHORT.forged)))
    test('P8: without an app in the primary’s region reads work, and a write is a 503 with Retry-After', async () =>
      holds(await readsGoOn(anywhere)))
    test('P9: an app that is killed behind its COMMIT invites no second write', async () =>
      holds(await survives(anywhere, 'the app there is killed', 'behind the COMMIT')))
    // Elsewhere it is the proxy that dies, and that is no code of ours.
    test.runIf(name === 'forward')(
      'P9: an instance that is killed while it sends a request on doubles nothing',
      async () => holds(await survives(anywhere, 'the one who hands over is killed', 'behind the COMMIT')),
    )
  })
})
