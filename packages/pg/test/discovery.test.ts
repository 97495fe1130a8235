import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { Discovery, type FoundServer } from '../src/fleet/discovery.ts'
import type { DiscoverOptions } from '../src/index.ts'
import { resolveDiscovery } from '../src/options/discover-options.ts'
import { DnsServer } from './dns-server.ts'

const PATIENT = { timeout: 10_000, interval: 10 }
const MEMBERS = 'nrt.db.internal'

/** A DNS server, and one that asks it. */
class Inquiry implements AsyncDisposable {
  readonly dns: DnsServer
  #discovery: Discovery | undefined

  private constructor(dns: DnsServer) {
    this.dns = dns
  }

  static async start(): Promise<Inquiry> {
    return new Inquiry(await DnsServer.start({}))
  }

  /** Asks for what `options` say until the end of the test, and gives what was found and what failed. */
  discover(options: Partial<DiscoverOptions> = {}) {
    const found: (readonly FoundServer[])[] = []
    const failed: unknown[] = []
    let first = 0
    const resolved = resolveDiscovery('discover', {
      name: MEMBERS,
      resolver: this.dns.resolver(),
      refreshMillis: 1_000,
      ...options,
    })
    this.#discovery = new Discovery(
      resolved,
      (servers) => found.push(servers),
      (error) => failed.push(error),
    )
    this.#discovery.start(() => {
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

  async end(): Promise<void> {
    await this.#discovery?.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
    await this.dns[Symbol.asyncDispose]()
  }
}

describe.concurrent('replicas that DNS knows, asked of a real DNS server', () => {
  it.for([
    ['both kinds of addresses', {}, ['127.0.0.1', '127.0.0.2', '::1', 'fdaa::3'], ['A', 'AAAA']],
    ['A alone', { records: 'A' }, ['127.0.0.1', '127.0.0.2'], ['A']],
    ['AAAA alone, as on Fly', { records: 'AAAA' }, ['::1', 'fdaa::3'], ['AAAA']],
  ] as const)('finds %s', async ([_title, options, hosts, asked], { expect }) => {
    await using inquiry = await Inquiry.start()
    inquiry.dns.zone = { [MEMBERS]: { A: ['127.0.0.1', '127.0.0.2'], AAAA: ['::1', 'fdaa::3'] } }
    const { hosts: known } = inquiry.discover(options)
    await expect.poll(known, PATIENT).toEqual(hosts)
    expect(inquiry.dns.asked.map((question) => question.split(' ')[0]).sort()).toEqual(asked)
  })

  it('finds a name and a port by SRV', async ({ expect }) => {
    await using inquiry = await Inquiry.start()
    const name = '_postgresql._tcp.db.internal'
    inquiry.dns.zone = {
      [name]: {
        SRV: [
          { target: 'one.db.internal', port: 5433 },
          { target: 'two.db.internal', port: 5434 },
        ],
      },
    }
    const { found } = inquiry.discover({ name })
    await expect.poll(() => found[0]?.length, PATIENT).toBe(2)
    expect([...(found[0] ?? [])].sort((a, b) => a.host.localeCompare(b.host))).toEqual([
      { host: 'one.db.internal', port: 5433 },
      { host: 'two.db.internal', port: 5434 },
    ])
    expect(inquiry.dns.asked).toEqual([`SRV ${name}`])
  })

  it('asks again when the TTL is over, after a second at least, or when refreshMillis is', async ({ expect }) => {
    await using inquiry = await Inquiry.start()
    inquiry.dns.zone = { [MEMBERS]: { ttl: 0, A: ['127.0.0.1'] } }
    const { found } = inquiry.discover({ refreshMillis: 3_600_000, records: 'A' })
    await expect.poll(() => found.length, PATIENT).toBe(1)
    await sleep(500)
    expect(found).toHaveLength(1)
    await expect.poll(() => found.length, PATIENT).toBe(2)
    inquiry.dns.zone = { [MEMBERS]: { ttl: 3_600, A: ['127.0.0.1'] } }
    await expect.poll(() => found.length, PATIENT).toBe(3)
    await sleep(1_500)
    expect(found).toHaveLength(3)
  })

  it('takes a new server at once, and lets one go when two answers in a row go without it', async ({ expect }) => {
    await using inquiry = await Inquiry.start()
    inquiry.dns.zone = { [MEMBERS]: { A: ['127.0.0.1', '127.0.0.2'] } }
    const { found, hosts } = inquiry.discover({ records: 'A' })
    await expect.poll(() => found.length, PATIENT).toBe(1)
    inquiry.dns.zone = { [MEMBERS]: { A: ['127.0.0.2', '127.0.0.3'] } }
    await expect.poll(() => found.length, PATIENT).toBe(2)
    expect(hosts()).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await expect.poll(() => found.length, PATIENT).toBe(3)
    expect(hosts()).toEqual(['127.0.0.2', '127.0.0.3'])
    // No such name: an answer too, in which all are gone.
    inquiry.dns.zone = {}
    await expect.poll(() => found.length, PATIENT).toBe(4)
    expect(hosts()).toHaveLength(2)
    await expect.poll(() => found.length, PATIENT).toBe(5)
    expect(hosts()).toEqual([])
  })

  it('keeps what it knew while the server fails, tells of it, and goes on', async ({ expect }) => {
    await using inquiry = await Inquiry.start()
    inquiry.dns.zone = { [MEMBERS]: { A: ['127.0.0.1'] } }
    const { found, failed, first, hosts } = inquiry.discover()
    await expect.poll(() => found.length, PATIENT).toBe(1)
    inquiry.dns.zone = { [MEMBERS]: 'failure' }
    await expect.poll(() => failed.length, PATIENT).toBeGreaterThan(2)
    expect(found).toHaveLength(1)
    inquiry.dns.zone = { [MEMBERS]: { A: ['127.0.0.4'] } }
    await expect.poll(hosts, PATIENT).toContain('127.0.0.4')
    expect(first()).toBe(1)
  })

  it('X5: ends in the middle of a question, and asks nothing after that', async ({ expect }) => {
    await using inquiry = await Inquiry.start()
    inquiry.dns.zone = { [MEMBERS]: 'failure' }
    const { first } = inquiry.discover()
    await inquiry.end()
    expect(first()).toBe(1)
    const { length } = inquiry.dns.asked
    await sleep(1_200)
    expect(inquiry.dns.asked.length).toBeLessThanOrEqual(length + 2)
  })
})
