import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { delayed } from '../distance/delay-line.ts'
import { endToEndHeaders, type HeaderList, toRawHeaders, withoutHeaders } from '../http/headers.ts'
import type { RequestBody } from '../http/request-body.ts'
import type { Machine } from '../world/machine.ts'

/** A request as one machine gets it. */
export interface Envelope {
  readonly method: string
  readonly path: string
  /** End-to-end headers; framing is added on sending. */
  readonly headers: HeaderList
  /** The value of `Upgrade`, when the client wants to leave HTTP. */
  readonly upgrade?: string
  /** The length of the body; `chunked` when it is unknown, `none` when the client announced no body. */
  readonly framing: 'none' | 'chunked' | number
}

export interface Answer {
  /** The head; its stream is read by `body`. */
  readonly response: IncomingMessage
  /** The body, as it arrives at the edge after the delay. */
  readonly body: Readable
  /** Stops feeding the body to this machine. */
  readonly detach: () => void
  /** Present when the machine agreed to leave HTTP. What it then sends comes out of `body`. */
  readonly tunnel?: Duplex
}

export type Sent =
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** No connection was made: the machine knows nothing of the request, so another machine may get it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Connected, then broken off: the machine may have done the work. */
  | { readonly kind: 'broken'; readonly reason: string }

export interface SendOptions {
  readonly body: RequestBody
  /** Milliseconds from the edge to the machine, one way. */
  readonly oneWayMillis: number
  /** Milliseconds within which the connection must be up. */
  readonly connectMillis: number
  readonly signal: AbortSignal
}

/** Fly names no limit for the head of an answer, and Node's own of 16 KB is none of Fly's. */
const answerHeadBytes = 262_144

// A server may close an idle connection just as it is used again. Only these methods are resent: they change nothing.
const harmless = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Sends a request to a machine and waits for the head of its answer, with the delay both ways. Rejects only when aborted. */
export async function send(machine: Machine, envelope: Envelope, options: SendOptions): Promise<Sent> {
  const { oneWayMillis, signal } = options
  if (oneWayMillis > 0) await delay(oneWayMillis, undefined, { signal })
  const sent = await new Promise<Sent>((resolve) => start(machine, envelope, options, resolve))
  try {
    signal.throwIfAborted()
    if (oneWayMillis > 0) await delay(oneWayMillis, undefined, { signal })
  } catch (error) {
    if (sent.kind === 'answered') (sent.answer.tunnel ?? sent.answer.response).destroy()
    throw error
  }
  return sent
}

function start(machine: Machine, envelope: Envelope, options: SendOptions, resolve: (sent: Sent) => void): void {
  let isConnected = false
  let detach = (): void => {}
  const { hostname, port } = machine.url
  const request: ClientRequest = httpRequest({
    host: hostname.replace(/^\[|\]$/g, ''),
    port,
    method: envelope.method,
    path: envelope.path,
    headers: toRawHeaders(wireHeaders(envelope)),
    // A tunnel takes over its connection, so it needs one of its own.
    agent: envelope.upgrade === undefined ? machine.agent : false,
    maxHeaderSize: answerHeadBytes,
    signal: options.signal,
  })
  machine.track(request)
  const timer = setTimeout(() => {
    if (!isConnected) request.destroy(new Error('connect timeout'))
  }, options.connectMillis)
  const settle = (sent: Sent): void => {
    clearTimeout(timer)
    resolve(sent)
  }
  const connected = (): void => {
    isConnected = true
    clearTimeout(timer)
    detach = options.body.feed(request)
  }
  request.once('socket', (socket) => (socket.connecting ? socket.once('connect', connected) : connected()))
  request.once('response', (response) => {
    settle({ kind: 'answered', answer: { response, body: delayed(response, options.oneWayMillis), detach } })
  })
  request.once('upgrade', (response, socket, head) => {
    machine.track(socket)
    // Until somebody listens to the tunnel, a reset must not end the process.
    socket.on('error', () => {})
    if (envelope.upgrade === undefined) {
      socket.destroy()
      settle({ kind: 'broken', reason: 'it switched protocols without being asked' })
      return
    }
    if (head.length > 0) socket.unshift(head)
    settle({
      kind: 'answered',
      answer: { response, body: delayed(socket, options.oneWayMillis), detach, tunnel: socket },
    })
  })
  request.on('error', (error: NodeJS.ErrnoException) => {
    detach()
    const reason = error.code ?? error.message
    const hasBody = envelope.framing !== 'none' && envelope.framing !== 0
    const isStale = request.reusedSocket && harmless.has(envelope.method) && !hasBody
    settle({ kind: !isConnected || isStale ? 'refused' : 'broken', reason })
  })
}

const framed: ReadonlySet<string> = new Set(['content-length'])

/** The headers with the right framing: an app's transform may have set framing headers, but the body has not changed. */
function wireHeaders({ method, headers, upgrade, framing }: Envelope): HeaderList {
  const carried = withoutHeaders(endToEndHeaders(headers), framed)
  if (upgrade !== undefined) return [...carried, ['Connection', 'Upgrade'], ['Upgrade', upgrade]]
  if (framing === 'chunked') return [...carried, ['Transfer-Encoding', 'chunked']]
  // Without a length, Node would announce a chunked body for a POST.
  const mayHaveBody = !['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'].includes(method)
  if (framing === 'none' && !mayHaveBody) return carried
  return [...carried, ['Content-Length', String(framing === 'none' ? 0 : framing)]]
}
