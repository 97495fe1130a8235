import { diagnostics, type ReplayEvent } from '@headwater/core'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base'

/** For `spanProcessors: [new QuietReplays(new BatchSpanProcessor(exporter))]`: no span of a request that is replayed is an error. */
export class QuietReplays implements SpanProcessor {
  readonly #next: SpanProcessor
  readonly #replayed = new Set<string>()

  constructor(next: SpanProcessor) {
    this.#next = next
    diagnostics.replay.subscribe((message) => {
      const traceId = trace.getActiveSpan()?.spanContext().traceId
      if ((message as ReplayEvent).blocker === undefined && traceId !== undefined) this.#replayed.add(traceId)
    })
  }

  onStart(...args: Parameters<SpanProcessor['onStart']>): void {
    this.#next.onStart(...args)
  }

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    const isQuiet = this.#replayed.has(traceId) && span.status.code === SpanStatusCode.ERROR
    if (span.parentSpanContext === undefined || span.parentSpanContext.isRemote === true) this.#replayed.delete(traceId)
    this.#next.onEnd(isQuiet ? Object.create(span, { status: { value: { code: SpanStatusCode.UNSET } } }) : span)
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown()
  }
}
