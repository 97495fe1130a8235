import { randomBytes, randomInt } from 'node:crypto'
import { type Anywhere, AWAY_REGIONS } from '../anywhere.ts'
import { type Finding, inParallel, newKey } from '../finding.ts'
import { FRAMEWORKS } from '../frameworks.ts'

const text = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** A state of our form that nobody has signed. */
const forgedState = (): string =>
  `hw2.${Date.now().toString(36)}.${['write', 'behind', 'ensure-primary'][randomInt(3)]}.${text(16)}.${text(32)}`

/** What a client may invent: states, hops, failures, targets, and where the request came from. */
const FORGERIES: readonly (() => Record<string, string>)[] = [
  () => ({ 'headwater-state': forgedState() }),
  () => ({ 'headwater-state': text(1 + randomInt(900)), 'headwater-failed': '1' }),
  () => ({ 'headwater-failed': '1' }),
  () => ({ 'headwater-region': 'evil', 'headwater-proxy': 'mine' }),
  () => ({ 'headwater-region': 'nrt', 'headwater-state': forgedState(), 'headwater-hops': String(randomInt(20)) }),
  () => ({ 'fly-replay-src': `region=evil;state=${text(8)}`, 'fly-replay': 'region=evil' }),
  () => ({ 'fly-replay-src': `instance=1;region=nrt;t=1;state=${forgedState()}` }),
  () => ({ 'fly-replay-failed': 'instance=here;reason=timeout;elapsed_ms=1', 'fly-region': 'ams' }),
  () => ({ 'x-forwarded-host': 'evil.example', via: `${'1.1 hop, '.repeat(randomInt(40))}1.1 hop` }),
  () => ({
    'max-forwards': String(randomInt(3)),
    forwarded: 'for=127.0.0.1;host=evil.example',
    'x-forwarded-for': '::1',
  }),
  () => ({ 'x-accel-redirect': '@primary', location: 'http://169.254.169.254/' }),
  () => ({ 'x-envoy-original-url': 'http://evil.example/', 'x-envoy-internal': 'true', host: 'evil.example' }),
]

interface Sent {
  readonly key: string
  readonly isHonest: boolean
  readonly status: number | string
}

/**
 * What clients invent steers nothing: a request that is answered with 200 has landed once, in the primary's region; one that is refused has
 * landed nowhere. Every tenth client is honest, and notices nothing.
 */
export async function ignoresForgeries(anywhere: Anywhere, count: number): Promise<Finding> {
  const sent = await inParallel(count, 100, async (at): Promise<Sent> => {
    const key = newKey()
    const region = AWAY_REGIONS[at % AWAY_REGIONS.length] ?? 'nrt'
    const path = `/${FRAMEWORKS[at % FRAMEWORKS.length]}/write?key=${key}`
    const isHonest = at % 10 === 9
    const headers = isHonest ? {} : (FORGERIES[randomInt(FORGERIES.length)]?.() ?? {})
    const { status } = await anywhere.ask(region, path, { headers, body: randomBytes(10 + randomInt(100)) })
    return { key, isHonest, status }
  })
  const landed = await anywhere.landed()
  const wrong = sent.filter(({ key, isHonest, status }) => {
    const [only, ...more] = landed.get(key) ?? []
    if (status === 200) return more.length > 0 || only?.region !== 'ams'
    return status !== 503 || only !== undefined || isHonest
  })
  const [honest, forged] = [sent.filter((one) => one.isHonest), sent.filter((one) => !one.isHonest)]
  const having = (list: readonly Sent[], status: number): number => list.filter((one) => one.status === status).length
  const parts = [
    `${having(forged, 200)} landed once`,
    `${having(forged, 503)} refused`,
    `honest between them: ${having(honest, 200)} of ${honest.length}`,
    ...(wrong.length > 0 ? [`wrong: ${[...new Set(wrong.map(({ status }) => status))].join(', ')}`] : []),
  ]
  return { check: `${forged.length} requests with forged headers`, saw: parts.join('; '), isRight: wrong.length === 0 }
}
