import { request } from 'node:http'

/** What a client asks. */
export interface Asked {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly isChunked?: boolean
  /** Half of the body is sent, the rest once this resolves. */
  readonly pause?: Promise<unknown>
}

/** What a client sees, whatever happens. */
export interface Seen {
  /** `refused`: nobody listens there. `broken`: no answer came. */
  readonly status: number | 'refused' | 'broken'
  /** Whether its patience ended before the request did. */
  readonly hasHung: boolean
  /** Whether all of the answer has come. */
  readonly isWhole: boolean
  readonly retryAfter: string | undefined
  readonly body: string
  /** Until the first byte of the answer's body, and until its end, from the beginning. */
  readonly firstMillis: number
  readonly millis: number
}

/** Longer than every time-out of the ways under test: what takes longer hangs. */
const PATIENCE_MILLIS = 20_000

const NOTHING: Seen = {
  status: 'broken',
  hasHung: false,
  isWhole: false,
  retryAfter: undefined,
  body: '',
  firstMillis: 0,
  millis: 0,
}

/** Sends one request on a connection of its own, since an edge may close one that lies idle. Never rejects. */
export function ask(port: number, path: string, asked: Asked = {}): Promise<Seen> {
  const { method = 'POST', headers = {}, body = Buffer.alloc(0), isChunked = false, pause } = asked
  return new Promise((resolve) => {
    const startedAt = performance.now()
    let seen: Seen = NOTHING
    const length = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.length) }
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: { ...(method === 'POST' ? length : {}), 'content-type': 'application/octet-stream', ...headers },
    })
    const end = (last: Partial<Seen> = {}): void => {
      clearTimeout(timer)
      outgoing.destroy()
      resolve({ ...seen, ...last, millis: performance.now() - startedAt })
    }
    const timer = setTimeout(() => end({ hasHung: true }), PATIENCE_MILLIS)
    outgoing.on('error', (error) => {
      const isRefused = Reflect.get(error, 'code') === 'ECONNREFUSED'
      // An answer may be there all the same, while the rest of the body finds nobody.
      if (seen.status === 'broken') end(isRefused ? { status: 'refused' } : {})
    })
    outgoing.on('response', (message) => {
      seen = { ...seen, status: message.statusCode ?? 0, retryAfter: message.headers['retry-after'] }
      message.setEncoding('utf8')
      message.on('data', (chunk: string) => {
        const firstMillis = seen.body === '' ? performance.now() - startedAt : seen.firstMillis
        seen = { ...seen, body: seen.body + chunk, firstMillis }
      })
      message.on('error', () => end())
      message.on('end', () => end({ isWhole: message.complete }))
    })
    if (pause === undefined) outgoing.end(body)
    else {
      outgoing.write(body.subarray(0, body.length >> 1))
      void pause.then(() => outgoing.end(body.subarray(body.length >> 1)))
    }
  })
}
