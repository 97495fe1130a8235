import type { InformationEvent, ServerResponse } from 'node:http'

const PROCESSING = 102
const EARLY_HINTS = 103

/**
 * Passes a 1xx answer of the other region on (RFC 9110, section 15.2). Uses the prototype's own methods: those of a response that is
 * replaced are silent. What Node cannot send, and what comes too late, is left out; nobody depends on them.
 */
export function sendEarly({ statusCode, rawHeaders }: InformationEvent, response: ServerResponse | undefined): void {
  const isOld = response?.req?.httpVersion === '1.0'
  if (response === undefined || isOld || response.headersSent || response.destroyed) return
  const native: ServerResponse = Object.getPrototypeOf(response)
  try {
    if (statusCode === PROCESSING) Reflect.apply(native.writeProcessing, response, [])
    if (statusCode === EARLY_HINTS) Reflect.apply(native.writeEarlyHints, response, [hintsIn(rawHeaders)])
  } catch {
    // A link that Node takes for malformed.
  }
}

/** Node wants each link by itself. */
function hintsIn(raw: readonly string[]): Record<string, string | string[]> {
  const hints: Record<string, string | string[]> = {}
  const links: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at]?.toLowerCase(), raw[at + 1]]
    if (name === 'link') links.push(...value.split(/,\s*(?=<)/))
    else hints[name] = value
  }
  return { ...hints, link: links }
}
