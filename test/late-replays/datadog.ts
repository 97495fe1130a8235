import { diagnostics, type ReplayEvent } from '@headwater/core'
import type { Tracer } from 'dd-trace'

/** Call it once, right after `tracer.init()`: no span of a request that is replayed is an error. */
export function quietReplays(tracer: Tracer): void {
  // A span for each middleware would be told of an error that its request survives; the request's own span goes by its status.
  tracer.use('express', { middleware: false })
  tracer.use('router', { middleware: false })
  diagnostics.replay.subscribe((message) => {
    const span = tracer.scope().active()
    if (span === null || (message as ReplayEvent).blocker !== undefined) return
    const { finish } = span
    span.finish = (finishTime) => {
      span.setTag('error', false)
      finish.call(span, finishTime)
    }
  })
}
