import { ClientSession, compareFreshness, NO_NODE, type Position, SEVERAL_NODES, toLsn } from '@headwater/core/internal'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RequestToken, TOKEN_HEADER, type TokenAnswer } from '../src/token/request-token.ts'
import { resolveTokenCarriers } from '../src/token/token-options.ts'

const SECRETS = ['long enough to be a secret']
const START = 1_790_000_000_000
const NODES = [1, 2]
/** Everything takes time, in milliseconds; clocks that differ never show the same one, so two answers can be told apart. */
const STEP = 4
/** Two clocks may differ by 100 ms. */
const SKEWS = [0, 0, 49, -50]

type Deed = 'write' | 'read-primary' | 'read-replica' | 'nothing'

/** What happens next, and to which request; `which` picks one among those that it can happen to. */
type Step =
  | {
      readonly kind: 'send'
      readonly deed: Deed
      readonly node: number
      readonly skew: number
      readonly isMute: boolean
    }
  | { readonly kind: 'act' | 'answer' | 'deliver'; readonly which: number }
  | { readonly kind: 'tick'; readonly time: number }
  | { readonly kind: 'commit' }
  | { readonly kind: 'replay'; readonly node: number }

/** What a client keeps between requests. */
interface Store {
  readonly size: number
  headers(): Record<string, string>
  take(answer: TokenAnswer, sent: Record<string, string>): void
}

class Browser implements Store {
  readonly #cookies = new Map<string, string>()

  get size(): number {
    return this.#cookies.size
  }

  headers(): Record<string, string> {
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
  }

  take({ cookies }: TokenAnswer): void {
    for (const cookie of cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (cookie.includes('Max-Age=0')) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
  }
}

/** The rule for clients that carry the header: an answer's token replaces those that its request sent. */
class Service implements Store {
  readonly #tokens = new Set<string>()

  get size(): number {
    return this.#tokens.size
  }

  headers(): Record<string, string> {
    return { [TOKEN_HEADER]: [...this.#tokens].join(', ') }
  }

  take({ header }: TokenAnswer, sent: Record<string, string>): void {
    if (header === undefined) return
    for (const text of (sent[TOKEN_HEADER] ?? '').split(', ')) this.#tokens.delete(text)
    for (const text of header.split(', ')) this.#tokens.add(text)
  }
}

interface Underway {
  readonly send: Step & { readonly kind: 'send' }
  readonly headers: Record<string, string>
  token: RequestToken | undefined
  session: ClientSession
  answer: TokenAnswer | undefined
  /** The real position of what the answer shows. The code under test must not see it. */
  shown: bigint
}

/** One client, a primary and its replicas: their real state, and the code under test between them. */
class World {
  readonly #store: Store
  readonly #carriers = resolveTokenCarriers({ trackReads: 'always' })
  readonly #log = new Map(NODES.map((node) => [node, 1n]))
  readonly #underway: Underway[] = []
  #primary = 1n
  #now = START
  #most = 0
  #shown = 0n

  constructor(store: Store) {
    this.#store = store
  }

  async take(step: Step): Promise<void> {
    this.#now += STEP
    if (step.kind === 'tick') this.#now += step.time
    else if (step.kind === 'commit') this.#primary += 1n
    else if (step.kind === 'replay') this.#log.set(step.node, this.#primary)
    else if (step.kind === 'send') this.#send(step)
    else if (step.kind === 'act') this.#act(this.#pick(step.which, (one) => one.token === undefined))
    else if (step.kind === 'answer') {
      await this.#answer(this.#pick(step.which, (one) => one.token !== undefined && one.answer === undefined))
    } else this.#deliver(this.#pick(step.which, (one) => one.answer !== undefined))
  }

  /** Where the client reads next, nothing that it was shown may be missing. */
  check(): void {
    const minPosition = this.#arrive(this.#store.headers(), 0).minPosition
    if (minPosition === undefined) expect(this.#shown).toBe(0n)
    else if (minPosition.node !== SEVERAL_NODES) {
      const reached = minPosition.node === NO_NODE ? 0n : (this.#log.get(minPosition.node) ?? 0n)
      expect(minPosition.lsn > reached ? minPosition.lsn : reached).toBeGreaterThanOrEqual(this.#shown)
    }
    // A position for each request in flight, and the marks that are younger than their moment.
    expect(this.#store.size).toBeLessThanOrEqual(3 * this.#most)
  }

  /** Once all are answered and every mark's moment is over, the next answer leaves one. */
  async checkAfterwards(): Promise<void> {
    while (this.#underway.length > 0) {
      for (const kind of ['act', 'answer', 'deliver'] as const) await this.take({ kind, which: 0 })
      this.check()
    }
    await this.take({ kind: 'tick', time: 2000 })
    for (const step of visit('read-primary')) await this.take(step)
    this.check()
    expect(this.#store.size).toBeLessThanOrEqual(1)
  }

  #pick(which: number, isFit: (one: Underway) => boolean): Underway | undefined {
    const fit = this.#underway.filter(isFit)
    return fit[which % fit.length]
  }

  #arrive(headers: Record<string, string>, skew: number): RequestToken {
    if (this.#carriers === undefined) throw new Error('nothing carries tokens')
    const facts = { method: 'GET', url: '/', header: (name: string) => headers[name], isSecure: false }
    return new RequestToken(this.#carriers, SECRETS, facts, this.#now + skew)
  }

  #send(send: Step & { readonly kind: 'send' }): void {
    const headers = this.#store.headers()
    this.#underway.push({ send, headers, token: undefined, session: new ClientSession(), answer: undefined, shown: 0n })
    this.#most = Math.max(this.#most, this.#underway.length)
  }

  #act(one: Underway | undefined): void {
    if (one === undefined) return
    const { deed, node, isMute, skew } = one.send
    one.token = this.#arrive(one.headers, skew)
    const session = new ClientSession(one.token.sessionOf(false))
    one.session = session
    const position = (lsn: bigint): Position => ({ cluster: 7n, timeline: 1, lsn: toLsn(lsn) })
    const source = {
      whereIsPrimary: async (): Promise<Position> => {
        if (isMute) throw new Error('it cannot say')
        return position(this.#primary)
      },
    }
    const replica = { ...position(this.#log.get(node) ?? 0n), node }
    if (deed === 'write') {
      session.writeSent(source)
      this.#primary += 1n
      one.shown = this.#primary
      session.writeEnded()
      if (!isMute && node === 1) session.committedAt(position(this.#primary))
    } else if (deed === 'read-replica' && (!session.seen || compareFreshness(replica, session.seen) === 'caught-up')) {
      session.readAtReplica(replica)
      one.shown = replica.lsn
    } else if (deed !== 'nothing') {
      session.readAtPrimary(source)
      one.shown = this.#primary
    }
  }

  async #answer(one: Underway | undefined): Promise<void> {
    if (one?.token === undefined) return
    const seen = await one.session.capturePosition()
    const { hasSeenMore } = one.session
    one.answer = one.token.answer({ seen, hasSeenMore, isEverywhere: false, now: this.#now + one.send.skew })
  }

  #deliver(one: Underway | undefined): void {
    if (one?.answer === undefined) return
    this.#underway.splice(this.#underway.indexOf(one), 1)
    this.#store.take(one.answer, one.headers)
    if (one.shown > this.#shown) this.#shown = one.shown
  }
}

const node = fc.constantFrom(...NODES)
const which = fc.nat(9)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('send' as const),
        deed: fc.constantFrom<Deed>('write', 'read-primary', 'read-replica', 'read-replica', 'read-replica', 'nothing'),
        node,
        skew: fc.constantFrom(...SKEWS),
        isMute: fc.nat(9).map((dice) => dice === 0),
      }),
    },
    ...(['act', 'answer', 'deliver'] as const).map((kind) => ({
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant(kind), which }),
    })),
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('tick' as const), time: fc.nat(100).map((steps) => steps * STEP) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('replay' as const), node }) },
  ),
  { maxLength: 80, size: 'max' },
)

const send = (deed: Deed, node = 1): Step => ({ kind: 'send', deed, node, skew: 0, isMute: false })
/** The primary does not say where it stands, and the server that answers has the fastest clock. */
const MUTE_WRITE: Step = { kind: 'send', deed: 'write', node: 1, skew: 49, isMute: true }
/** Among what can happen next, what is due first. */
const then = (kind: 'act' | 'answer' | 'deliver', which = 0): Step => ({ kind, which })
const visit = (deed: Deed): readonly Step[] => [send(deed), then('act'), then('answer'), then('deliver')]

/** The property below found these: each breaks a simpler scheme. */
const RACES: readonly (readonly [string, readonly Step[]])[] = [
  [
    'a read that began before a write is answered after it',
    [
      send('read-primary'),
      send('write'),
      then('act'),
      then('answer'),
      then('act'),
      then('answer'),
      then('deliver', 1),
      then('deliver'),
    ],
  ],
  [
    'a position of the primary comes after a read that leans on the mark which it frees from, and that saw more',
    [
      ...visit('read-replica'),
      send('read-primary'),
      then('act'),
      then('answer'),
      { kind: 'commit' },
      { kind: 'replay', node: 1 },
      send('read-replica'),
      then('act'),
      then('answer'),
      then('deliver', 1),
      then('deliver'),
    ],
  ],
  [
    'one answer deletes a position in favour of an unknown mark, another that mark in favour of the position',
    [
      MUTE_WRITE,
      then('act'),
      send('write'),
      then('answer'),
      then('act'),
      then('answer'),
      then('deliver'),
      then('deliver'),
      send('read-primary'),
      send('nothing'),
      then('act'),
      then('act'),
      then('answer'),
      then('answer'),
      then('deliver'),
      then('deliver'),
    ],
  ],
  [
    'one answer deletes a position in favour of the mark of a replica, another that mark in favour of the position',
    [
      send('read-primary'),
      send('write'),
      then('act', 1),
      then('answer'),
      then('deliver'),
      { kind: 'replay', node: 1 },
      send('read-replica'),
      then('act'),
      then('answer'),
      then('act'),
      then('answer'),
      then('deliver', 1),
      then('deliver'),
      { kind: 'tick', time: 400 },
      send('read-primary'),
      send('nothing'),
      then('act'),
      then('act'),
      then('answer'),
      then('answer'),
      then('deliver'),
      then('deliver'),
    ],
  ],
  [
    'an unknown mark replaces a later position, and is then deleted in favour of an earlier one',
    [
      MUTE_WRITE,
      send('write'),
      then('act'),
      then('answer'),
      then('deliver'),
      send('read-primary'),
      then('act', 1),
      then('answer'),
      then('act'),
      then('answer'),
      then('deliver'),
      send('nothing'),
      then('act'),
      then('answer'),
      then('deliver', 1),
      then('deliver'),
    ],
  ],
]

describe('several requests in flight at once', () => {
  test.each(RACES)('F1, F5: %s', async (_, all) => {
    for (const store of [new Browser(), new Service()]) {
      const world = new World(store)
      for (const step of all) {
        await world.take(step)
        world.check()
      }
    }
  })

  test.each([
    ['cookies', (): Store => new Browser()],
    ['tokens in the header', (): Store => new Service()],
  ])(
    'F1, F5: in whatever order they are answered, %s kept cover every answer that has come, and do not pile up',
    async (_, open) => {
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          const world = new World(open())
          for (const step of all) {
            await world.take(step)
            world.check()
          }
          await world.checkAfterwards()
        }),
        { numRuns: 1000 },
      )
    },
  )
})
