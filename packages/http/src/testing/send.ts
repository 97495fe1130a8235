import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { sharedKeyAgent } from './server.ts'

/** The answer to a request. */
export interface Sent {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly text: string
  /** The client's port: the same for two requests on one connection. */
  readonly localPort: number | undefined
}

/** One request. */
export interface SendOptions {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
  /** Sends the body without its length. */
  readonly chunked?: boolean
  readonly agent?: Agent
  /** Whether the app ends TLS itself. */
  readonly isTls?: boolean
}

/** Sends one request as Fly's proxy would pass it on. Rejects when the connection is cut, or nothing comes for 5 s. */
export function send(port: number, path: string, options: SendOptions = {}): Promise<Sent> {
  const { method = 'GET', body, chunked = false, isTls = false } = options
  const agent = options.agent ?? (isTls ? sharedKeyAgent() : new Agent({ keepAlive: false }))
  const headers: OutgoingHttpHeaders = { 'fly-request-id': '01-nrt', ...options.headers }
  if (body !== undefined) {
    headers['content-type'] ??= 'application/json'
    if (chunked) headers['transfer-encoding'] = 'chunked'
    else headers['content-length'] = Buffer.byteLength(body)
  }
  return new Promise((resolve, reject) => {
    const outgoing = (isTls ? tlsRequest : request)(
      { host: '127.0.0.1', port, path, method, headers, agent },
      (response) => {
        const { localPort } = response.socket
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode = 0, headers, rawHeaders } = response
          resolve({ status: statusCode, headers, rawHeaders, text, localPort })
        })
      },
    )
    outgoing.setTimeout(5000, () => outgoing.destroy(new Error('no answer came for 5 s')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
