import { Agent, type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { OptionsInvalid } from '@headwater/core'
import { warn } from '@headwater/core/internal'
import { type RegionAddresses, resolveAddresses } from './region-addresses.ts'
import type { ForwardingTarget, ReplayOrder } from './replay-target.ts'
import { isOver, SpareConnections } from './spare-connections.ts'

/** How `forward()` reaches the instances of other regions. */
export interface ForwardOptions {
  /**
   * Where each region listens: an address for each, one for all with `{region}` in it (found by DNS), or a function. Nothing else is ever
   * contacted.
   */
  readonly regions: RegionAddresses
  /**
   * How long a connection may take, in milliseconds, 1 to 600,000. After that nothing was sent, and the next region is tried.
   *
   * @default 5_000
   */
  readonly connectTimeoutMillis?: number | undefined
  /**
   * How long the other side may be silent before its answer begins, in milliseconds, 1 to 3,600,000. After that the client gets 502.
   *
   * @default 60_000
   */
  readonly answerTimeoutMillis?: number | undefined
  /**
   * How long an idle connection is kept at most, in milliseconds, 1 to 3,600,000; less where the other side says so (`Keep-Alive: timeout=…`).
   * A request that is sent into the end of a connection is a 502, and one that opens a connection takes another crossing: raise
   * `server.keepAliveTimeout` of the app (5 s in Node), and a write that comes rarely takes one.
   *
   * @default what the other side says, less 1 s, at most 30_000; 4_000 where it says nothing
   */
  readonly idleTimeoutMillis?: number | undefined
  /**
   * How many connections one region gets at most; what is more waits.
   *
   * @default 256
   */
  readonly maxConnections?: number | undefined
  /**
   * Which `Host` the other side sees: the one that the `client` named, or the address of the `region`, where a balancer there goes by it.
   * `X-Forwarded-Host` says the client's either way.
   *
   * @default 'client'
   */
  readonly host?: 'client' | 'region' | undefined
  /** For `https://` addresses: whom to trust, and who we are (mTLS). `servername` is the name on their certificate; default: their host. */
  readonly tls?:
    | (Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase'> & { readonly servername?: string })
    | undefined
}

/** Packets that find out a region that went silent in the middle of an answer: after 10 s, then one each second, ten times (libuv). */
const PROBE_AFTER_MILLIS = 10_000

/** How long the head of an answer may be. Browsers take as much; Node's own 16 KB would lose the answer of a request that took effect. */
const ANSWER_HEAD_BYTES = 262_144

/**
 * Sends requests to the primary's region by itself, from instance to instance: no proxy has to know (P9). Bodies are kept up to
 * `bodyLimitBytes` while the app reads them, so that a write that is met late is sent on too.
 *
 * @example headwater({ pool, replayTarget: forward({ regions: 'http://{region}.app.internal:8080' }) })
 * @throws {OptionsInvalid} when an address or a number is wrong.
 */
export function forward(options: ForwardOptions): ForwardingTarget {
  const addressOf = resolveAddresses('regions', options?.regions)
  const connectTimeoutMillis = checkWhole('connectTimeoutMillis', options.connectTimeoutMillis ?? 5_000, 600_000)
  const answerTimeoutMillis = checkWhole('answerTimeoutMillis', options.answerTimeoutMillis ?? 60_000, 3_600_000)
  const { idleTimeoutMillis } = options
  const idleMillis =
    idleTimeoutMillis === undefined ? undefined : checkWhole('idleTimeoutMillis', idleTimeoutMillis, 3_600_000)
  const maxSockets = checkWhole('maxConnections', options.maxConnections ?? 256, 65_535)
  const { host = 'client', tls } = options
  if (host !== 'client' && host !== 'region') {
    throw new OptionsInvalid('host', `${JSON.stringify(host)} is unknown; expected client or region`)
  }
  const pooling = { keepAlive: true, maxSockets, autoSelectFamilyAttemptTimeout: 1_000 }
  const spare = new SpareConnections(idleMillis)
  const agent = new Agent(pooling).on('free', (socket: Socket) => spare.putBy(socket))
  const tlsAgent = new TlsAgent({ ...pooling, ...tls }).on('free', (socket: Socket) => spare.putBy(socket))

  async function connectTo(address: URL, { request }: ReplayOrder): Promise<ClientRequest> {
    const isTls = address.protocol === 'https:'
    const common: RequestOptions = {
      host: address.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: address.port === '' ? (isTls ? 443 : 80) : address.port,
      method: request.method,
      path: request.url,
      setHost: false,
      maxHeaderSize: ANSWER_HEAD_BYTES,
    }
    const open = (): ClientRequest =>
      isTls
        ? httpsRequest({ ...common, servername: tls?.servername ?? nameIn(address), agent: tlsAgent })
        : httpRequest({ ...common, agent })
    let outgoing = open()
    await whenConnected(outgoing, isTls, connectTimeoutMillis)
    // Nothing was sent on it yet, so another is as good. A new connection ends this.
    while (outgoing.reusedSocket && (await isOver(outgoing))) {
      outgoing.destroy()
      outgoing = open()
      await whenConnected(outgoing, isTls, connectTimeoutMillis)
    }
    outgoing.setTimeout(answerTimeoutMillis, () => outgoing.destroy(new Error('no answer came in time')))
    outgoing.once('response', (far) => spare.hear(far))
    if (host === 'region') outgoing.setHeader('host', address.host)
    return outgoing
  }

  return Object.freeze<ForwardingTarget>({
    name: 'forward',
    async connect(order) {
      let last: unknown
      for (const region of order.regions) {
        try {
          const address = await addressOf(region)
          if (address !== undefined) return await connectTo(address, order)
          const facts = { target: 'forward', region }
          warn('HEADWATER_REGION_WITHOUT_ADDRESS', facts, { about: region, logger: order.logger })
        } catch (error) {
          last = error
        }
      }
      throw last ?? new Error(`no address is known for ${order.regions.join(', ')}`)
    },
    arrival: (header) => ({ state: header('headwater-state'), hasFailed: false, isBehindProxy: true }),
  })
}

/** Resolves once the connection of a request stands; rejects, and ends the request, when it cannot be had in time. */
function whenConnected(outgoing: ClientRequest, isTls: boolean, timeoutMillis: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => outgoing.destroy(new Error(`no connection in ${timeoutMillis} ms`)), timeoutMillis)
    const settle = (error?: Error): void => {
      clearTimeout(timer)
      if (error === undefined) resolve()
      else reject(error)
    }
    // It stays: what breaks later is told by 'close'.
    outgoing.on('error', settle)
    outgoing.once('socket', (socket: Socket) => {
      socket.setKeepAlive(true, PROBE_AFTER_MILLIS)
      if (outgoing.reusedSocket) settle()
      else socket.once(isTls ? 'secureConnect' : 'connect', () => settle())
    })
  })
}

/** The name for the other side's certificate: TLS has none for an address. */
function nameIn({ hostname }: URL): string {
  return hostname.startsWith('[') || isIP(hostname) !== 0 ? '' : hostname
}

function checkWhole(option: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new OptionsInvalid(option, `${String(value)} is not valid; expected 1 to ${most}, no fraction`)
}
