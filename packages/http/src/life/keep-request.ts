import type { IncomingMessage } from 'node:http'
import { forwardedRequestOf } from '../forward/forwarding.ts'
import { hasBody, KeptBody } from '../forward/kept-body.ts'
import { KeptWebBody } from '../forward/kept-web-body.ts'
import { limitBody } from '../request/node-request.ts'
import type { HttpRequestLife } from './http-request-life.ts'

/** Keeps the body where this instance may have to send it on; elsewhere counts one of unknown length. */
export function keepNodeRequest(life: HttpRequestLife, request: IncomingMessage, limitBytes: number): void {
  if (!life.mayForward) {
    if (life.bodyLength === 'unknown') limitBody(request, limitBytes, () => life.refuseBody())
    return
  }
  const isWithBody = hasBody(request)
  if (isWithBody && request.readableDidRead) return life.scope.giveUpReplay('body-gone')
  const body = isWithBody ? new KeptBody(request, limitBytes, () => life.refuseBody()) : undefined
  life.keepRequest(forwardedRequestOf(request, body))
}

/** The same for a web-standard request; the app has to read `life.request`. */
export function keepWebRequest(life: HttpRequestLife, request: Request, limitBytes: number): void {
  if (!life.mayForward) return
  if (request.bodyUsed) return life.scope.giveUpReplay('body-gone')
  const body =
    request.body === null ? undefined : new KeptWebBody(request, request.body, limitBytes, () => life.refuseBody())
  life.keepRequest({ rawHeaders: [...request.headers].flat(), body, peer: undefined })
  life.request = body?.request
}
