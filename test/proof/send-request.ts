import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'

export interface Request {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** How long an answer may take, in ms: longer than any wait in the rig. */
const PATIENCE = 20_000

/** Sends a request over one of the agent's connections. Rejects when no whole answer came. */
export function sendRequest(agent: Agent, { method, url, headers }: Request, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers, agent, signal, timeout: PATIENCE }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
      response.on('error', reject)
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${PATIENCE} ms`)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}
