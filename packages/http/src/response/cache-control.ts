/** One directive of Cache-Control: commas inside a quoted string do not separate (RFC 9111, section 5.2). */
const DIRECTIVE = /(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g

/** Whether the app explicitly offers this response to shared caches: `public` or `s-maxage`. */
export function isOfferedToSharedCaches(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && directivesOf(cacheControl).some(isOffer)
}

/**
 * Restricts a Cache-Control to the client's own cache: `private` in place of `public` and `s-maxage`, the rest stays.
 *
 * `no-cache` alone does not keep a response out of a shared cache, and neither does `private="field"`.
 */
export function withoutSharedCaches(cacheControl: string | undefined): string {
  if (cacheControl === undefined) return 'private'
  const directives = directivesOf(cacheControl)
  const kept = directives.filter((directive) => !isOffer(directive))
  const isKeptOut = kept.some((directive) => /^(?:private|no-store)$/i.test(directive))
  if (isKeptOut && kept.length === directives.length) return cacheControl
  return isKeptOut ? kept.join(', ') : ['private', ...kept].join(', ')
}

/** Adds a field to a Vary, unless it is there; `*` includes every field. */
export function withVary(vary: string | undefined, field: string): string {
  if (vary === undefined || vary.trim() === '') return field
  const fields = vary.split(',').map((name) => name.trim())
  return fields.some((name) => name === '*' || name.toLowerCase() === field.toLowerCase()) ? vary : `${vary}, ${field}`
}

function isOffer(directive: string): boolean {
  return /^(?:public|s-maxage)(?:\s*=|$)/i.test(directive)
}

function directivesOf(cacheControl: string): readonly string[] {
  return (cacheControl.match(DIRECTIVE) ?? []).map((directive) => directive.trim()).filter((text) => text !== '')
}
