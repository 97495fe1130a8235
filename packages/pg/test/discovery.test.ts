import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Discovery, type FoundServer } from '../src/fleet/discovery.ts'
import type { DiscoverOptions } from '../src/index.ts'
import { resolveDiscovery } from '../src/options/discover-options.ts'
import { DnsServer } from './dns-server.ts'

const PATIENT = { timeout: 10_000, interval: 10 }
const MEMBERS = 'nrt.db.internal'
let dns: DnsServer
let discovery: Discovery | undefined
beforeEach(async () => {
  dns = await DnsServer.start({})
})
afterEach(async () => {
  await discovery?.end()
  await dns[Symbol.asyncDispose]()
})

/** Asks for what `options` say until the end of the test, and gives what was found and what failed. */
function discover(options: Partial<DiscoverOptions> = {}) {
  const found: (readonly FoundServer[])[] = []
  const failed: unknown[] = []
  let first = 0
  const resolved = resolveDiscovery('discover', {
    name: MEMBERS,
    resolver: dns.resolver(),
    refreshMillis: 1_000,
    ...options,
  })
  discovery = new Discovery(
    resolved,
    (servers) => found.push(servers),
    (error) => failed.push(error),
  )
  discovery.start(() => {
    first += 1
  })
  return {
    found,
    failed,
    first: () => first,
    hosts: () =>
      found
        .at(-1)
        ?.map(({ host }) => host)
        .sort(),
  }
}

describe('replicas that DNS knows, asked of a real DNS server', () => {
  it.each([
    ['both kinds of addresses', {}, ['127.0.0.1', '127.0.0.2', '::1', 'fdaa::3'], ['A', 'AAAA']],
    ['A alone', { records: 'A' }, ['127.0.0.1', '127.0.0.2'], ['A']],
    ['AAAA alone, as on Fly', { records: 'AAAA' }, ['::1', 'fdaa::3'], ['AAAA']],
  ] as const)('finds %s', async (_title, options, hosts, asked) => {
    dns.zone = { [MEMBERS]: { A: ['127.0.0.1', '127.0.0.2'], AAAA: ['::1', 'fdaa::3'] } }
    const { hosts: known } = discover(options)
    await expect.poll(known, PATIENT).toEqual(hosts)
    expect(dns.asked.map((question) => question.split(' ')[0]).sort()).toEqual(asked)
  })

  it('finds a name and a port by SRV', async () => {
    const name = '_postgresql._tcp.db.internal'
    dns.zone = {
      [name]: {
        SRV: [
          { target: 'one.db.internal', port: 5433 },
          { target: 'two.db.internal', port: 5434 },
        ],
      },
    }
    const { found } = discover({ name })
    await expect.poll(() => found[0]?.length, PATIENT).toBe(2)
    expect([...(found[0] ?? [])].sort((a, b) => a.host.localeCompare(b.host))).toEqual([
      { host: 'one.db.internal', port: 5433 },
      { host: 'two.db.internal', port: 5434 },
    ])
    expect(dns.asked).toEqual([`SRV ${name}`])
  })

  it('asks again when the TTL is over, after a second at least, or when refreshMillis is', async () => {
    dns.zone = { [MEMBERS]: { ttl: 0, A: ['127.0.0.1'] } }
    const { found } = discover({ refreshMillis: 3_600_000, records: 'A' })
    await expect.poll(() => found.length, PATIENT).toBe(1)
    await sleep(500)
    expect(found).toHaveLength(1)
    await expect.poll(() => found.length, PATIENT).toBe(2)
    dns.zone = { [MEMBERS]: { ttl: 3_600, A: ['127.0.0.1'] } }
    await expect.poll(() => found.length, PATIENT).toBe(3)
    await sleep(1_500)
    expect(found).toHaveLength(3)
  })

  it('takes a new server at once, and lets one go when two answers in a row go without it', async () => {
    dns.zone = { [MEMBERS]: { A: ['127.0.0.1', '127.0.0.2'] } }
    const { found, hosts } = discover({ records: 'A' })
    await expect.poll(() => found.length, PATIENT).toBe(1)
    dns.zone = { [MEMBERS]: { A: ['127.0.0.2', '127.0.0.3'] } }
    await expect.poll(() => found.length, PATIENT).toBe(2)
    expect(hosts()).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await expect.poll(() => found.length, PATIENT).toBe(3)
    expect(hosts()).toEqual(['127.0.0.2', '127.0.0.3'])
    // No such name: an answer too, in which all are gone.
    dns.zone = {}
    await expect.poll(() => found.length, PATIENT).toBe(4)
    expect(hosts()).toHaveLength(2)
    await expect.poll(() => found.length, PATIENT).toBe(5)
    expect(hosts()).toEqual([])
  })

  it('keeps what it knew while the server fails, tells of it, and goes on', async () => {
    dns.zone = { [MEMBERS]: { A: ['127.0.0.1'] } }
    const { found, failed, first, hosts } = discover()
    await expect.poll(() => found.length, PATIENT).toBe(1)
    dns.zone = { [MEMBERS]: 'failure' }
    await expect.poll(() => failed.length, PATIENT).toBeGreaterThan(2)
    expect(found).toHaveLength(1)
    dns.zone = { [MEMBERS]: { A: ['127.0.0.4'] } }
    await expect.poll(hosts, PATIENT).toContain('127.0.0.4')
    expect(first()).toBe(1)
  })

  it('X5: ends in the middle of a question, and asks nothing after that', async () => {
    dns.zone = { [MEMBERS]: 'failure' }
    const { first } = discover()
    await discovery?.end()
    expect(first()).toBe(1)
    const { length } = dns.asked
    await sleep(1_200)
    expect(dns.asked.length).toBeLessThanOrEqual(length + 2)
  })
})
