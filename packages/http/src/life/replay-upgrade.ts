import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ReplayImpossible } from '@headwater/core'
import type { HeadwaterOptions, PoolOfApp } from '../options.ts'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import { factsOf } from '../request/node-request.ts'
import { HttpLifecycle } from './lifecycle.ts'

/** What `replayUpgrade()` takes of the options of `headwater()`: give both the same. */
export type UpgradeOptions = Pick<
  HeadwaterOptions,
  'secret' | 'timeoutMillis' | 'fallback' | 'replayTarget' | 'retryAfterSeconds'
>

/**
 * Hands a handshake (WebSocket, or any other upgrade) to the primary's region, before anything has answered it: for connections that
 * write. Call it on Node's 'upgrade' event, and upgrade only when it returns `false`.
 *
 * `true`: the socket has been answered and is about to close; away from home with a replay, or with 503 and `Retry-After` where a
 * replay cannot work (P4): the handshake was replayed before, or its replay failed. `false`: this is the primary's region, or the target
 * is `forward()`, which sends no handshakes on: then the connection stays here.
 *
 * A connection that stays in its own region needs none of this: its writes go over the network (P6).
 *
 * @throws {OptionsInvalid} when an option is wrong.
 *
 * @example
 * server.on('upgrade', (request, socket, head) => {
 *   if (replayUpgrade(pool, request, socket)) return
 *   sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request))
 * })
 */
export function replayUpgrade(
  pool: PoolOfApp,
  request: IncomingMessage,
  socket: Duplex,
  options: UpgradeOptions = {},
): boolean {
  const { topology } = pool
  // No token: a connection has no answer that could carry one.
  const lifecycle = new HttpLifecycle({ ...options, pool, token: false })
  const isForwarding = lifecycle.options.replayTarget.connect !== undefined
  const life = topology.isAtHome || isForwarding ? undefined : lifecycle.open(factsOf(request, request.url ?? '/'))
  if (life === undefined) return false
  const refusal = life.scope.askForReplay(topology, 'ensure-primary')
  const replay = life.head.decide()
  if (replay !== undefined && !('forwardTo' in replay)) answer(socket, replay)
  else if (refusal instanceof ReplayImpossible) answer(socket, refusal)
  return true
}

/** Node hands over the bare socket, so the answer is written by hand. What the client has sent behind the handshake is left unread. */
function answer(socket: Duplex, { status, headers }: Pick<ReplayAnswer, 'status' | 'headers'>): void {
  const all = { ...headers, 'content-length': '0', connection: 'close' }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  // Without a listener, a client that hangs up meanwhile would end the process.
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Replay'}\r\n${lines.join('')}\r\n`)
}
