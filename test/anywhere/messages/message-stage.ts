import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { ensurePrimary } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { isProxy, startProxy } from '@headwater/example-local-world/proxy-program'
import { createFlyProxy } from '@headwater/fly-proxy'
import { replayUpgrade } from '@headwater/http'
import { serverOf } from '../frameworks.ts'
import { type WayName, wayOf } from '../ways.ts'
import { farApp, type Got } from './far-app.ts'
import { type Conversation, converse } from './raw.ts'

const KEY = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Answers one message, with who it is, and hangs up. */
function acceptUpgrade({ headers }: IncomingMessage, socket: Duplex, who: string): void {
  const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  socket.on('error', () => socket.destroy())
  socket.write(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.once('data', (said) => socket.end(`${who} heard ${said}`))
}

/** When the app asks for the primary's region: before its handler, or in it; never, where it is at home itself. */
export type When = 'early' | 'late' | 'never'

/** What an app answers that hands nothing over. */
export const OWN_ANSWER = 'answered here'

export interface StageOptions {
  /** The loopback address of all. Default: 127.0.0.1. */
  readonly host?: string
  /** Whether the apps listen for handshakes; the one away from home hands each over. Default: no. */
  readonly upgrades?: boolean
}

/** An app away from home that hands every request over, one in the primary's region, and a way between them. No database. */
export class MessageStage implements AsyncDisposable {
  readonly #port: number
  readonly #host: string
  readonly #take: () => Got[]
  readonly #resources: AsyncDisposableStack

  private constructor(port: number, host: string, take: () => Got[], resources: AsyncDisposableStack) {
    this.#port = port
    this.#host = host
    this.#take = take
    this.#resources = resources
  }

  static async open(name: WayName, when: When, { host = '127.0.0.1', upgrades = false }: StageOptions = {}) {
    await using resources = new AsyncDisposableStack()
    const listen = async (server: Server): Promise<number> => {
      server.keepAliveTimeout = 35_000
      server.listen(0, host)
      await once(server, 'listening')
      resources.defer(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
      return (server.address() as AddressInfo).port
    }
    const far = farApp()
    if (upgrades) far.server.on('upgrade', (request, socket) => acceptUpgrade(request, socket, 'the primary’s region'))
    const primary = await listen(far.server)
    const options = {
      pool: {
        topology: createTopology({
          region: when === 'never' ? 'ams' : 'nrt',
          primaryRegion: 'ams',
          hasReplica: true,
        }),
      },
      secret: 'a secret of every region, long enough',
      replayTarget: wayOf(name).target(primary, host),
      token: false,
      logger: false,
      earlyReplay: () => (when === 'early' ? 'always' : 'never'),
    } as const
    const work = async (): Promise<string> => {
      await ensurePrimary()
      return OWN_ANSWER
    }
    const near = serverOf(options, work, () => {})
    if (upgrades) {
      near.on('upgrade', (request, socket) => {
        const { pool, secret, replayTarget } = options
        if (!replayUpgrade(pool, request, socket, { secret, replayTarget })) acceptUpgrade(request, socket, 'here')
      })
    }
    const here = await listen(near)
    const open = async (): Promise<number> => {
      if (name === 'forward') return here
      if (isProxy(name)) return resources.use(await startProxy(name, { here, primary }, { host })).port
      const url = (port: number) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`
      const machines = [
        { id: 'here', region: 'nrt', url: url(here) },
        { id: 'primary', region: 'ams', url: url(primary) },
      ]
      const proxy = resources.use(createFlyProxy({ apps: [{ name: 'app', machines }], host }))
      await proxy.listen()
      return Number(new URL(proxy.edge('nrt').url).port)
    }
    return new MessageStage(await open(), host, far.take, resources.move())
  }

  /** Sends what is sent on one connection. Returns what came back, and what the primary's region got. */
  async send(messages: readonly (readonly [method: string, bytes: string])[]): Promise<[Conversation, Got[]]> {
    this.#take()
    const methods = messages.map(([method]) => method)
    const bytes = messages.map(([, one]) => one).join('')
    const conversation = await converse(this.#port, bytes, methods, this.#host)
    return [conversation, this.#take()]
  }

  /** Opens a WebSocket's connection. Returns what it hears after it has said `hello`, or the status of a refusal. */
  async shakeHands(): Promise<string | number | undefined> {
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', ...KEY }
    const outgoing = request({ host: this.#host, port: this.#port, path: '/koa-3/w', agent: false, headers })
    outgoing.end()
    return await new Promise((resolve, reject) => {
      outgoing.on('error', reject)
      outgoing.on('response', ({ statusCode }) => resolve(statusCode))
      outgoing.on('upgrade', (_, socket: Socket) => {
        socket.write('hello')
        text(socket).then(resolve, reject)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
