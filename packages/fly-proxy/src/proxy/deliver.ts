import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { delayed } from '../distance/delay-line.ts'
import { type HeaderList, toRawHeaders } from '../http/headers.ts'
import type { Answer } from './upstream.ts'

/** Streams a machine's answer to the client. Rejects when either side breaks the connection. */
export async function deliver(
  answer: Answer,
  headers: HeaderList,
  response: ServerResponse,
  oneWayMillis: number,
  signal: AbortSignal,
): Promise<void> {
  const body = delayed(answer.body, oneWayMillis)
  if (oneWayMillis > 0) await delay(oneWayMillis, undefined, { signal })
  const { statusCode, statusMessage } = answer.response
  response.sendDate = false
  response.writeHead(statusCode ?? 502, statusMessage ?? '', toRawHeaders(headers))
  // An event stream may stay silent for long: send its head at once. `flushHeaders()` would write latin1 values in UTF-8.
  response.write(Buffer.alloc(0))
  await pipeline(body, response, { signal })
}

/** Connects the client's socket to the machine's after a 101, until one of them ends. Rejects when one breaks off. */
export async function tunnel(
  answer: Answer,
  headers: HeaderList,
  client: { readonly socket: Duplex; readonly head: Buffer },
  distance: { readonly machineMillis: number; readonly clientMillis: number },
  signal: AbortSignal,
): Promise<void> {
  const machine = answer.tunnel
  if (machine === undefined) return
  const { socket, head } = client
  const { statusMessage } = answer.response
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const down = delayed(answer.body, distance.clientMillis)
  if (head.length > 0) socket.unshift(head)
  const up = delayed(socket, distance.clientMillis + distance.machineMillis)
  if (distance.clientMillis > 0) await delay(distance.clientMillis, undefined, { signal })
  socket.write(`HTTP/1.1 101 ${statusMessage || 'Switching Protocols'}\r\n${lines}\r\n`, 'latin1')
  await Promise.all([pipeline(down, socket, { signal }), pipeline(up, machine, { signal })])
}

/** Sends the empty answer of a proxy that gave up. The reason is in the app's log only. */
export function deliverError(response: ServerResponse, status: number, headers: HeaderList): Promise<void> {
  return new Promise((resolve) => {
    response.once('close', resolve)
    response.writeHead(status, toRawHeaders([...headers, ['Content-Length', '0']]))
    response.end(resolve)
  })
}
