/** One directive of Cache-Control: commas inside of a quoted string do not part (RFC 9111, section 5.2). */
const DIRECTIVE = /(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g

/** Whether the app offers this response to shared caches by name: `public` or `s-maxage`. */
export function isOfferedToSharedCaches(cacheControl: string | undefined): boolean {
  return directivesOf(cacheControl).some(isOffer)
}

/**
 * The same Cache-Control for one client's cache at most: `private` in place of `public` and `s-maxage`, the rest stays.
 *
 * `no-cache` alone does not keep a response out of a shared cache, and neither does `private="field"`.
 */
export function withoutSharedCaches(cacheControl: string | undefined): string {
  const directives = directivesOf(cacheControl)
  const kept = directives.filter((directive) => !isOffer(directive))
  const isKeptOut = kept.some((directive) => /^(?:private|no-store)$/i.test(directive))
  if (isKeptOut && kept.length === directives.length && cacheControl !== undefined) return cacheControl
  return isKeptOut ? kept.join(', ') : ['private', ...kept].join(', ')
}

/** The Vary with one more field, which `*` has already. */
export function withVary(vary: string | undefined, field: string): string {
  const fields = (vary ?? '').split(',').map((name) => name.trim())
  if (vary === undefined || vary.trim() === '') return field
  return fields.some((name) => name === '*' || name.toLowerCase() === field.toLowerCase()) ? vary : `${vary}, ${field}`
}

function isOffer(directive: string): boolean {
  return /^(?:public|s-maxage)(?:\s*=|$)/i.test(directive)
}

function directivesOf(cacheControl: string | undefined): readonly string[] {
  return (cacheControl?.match(DIRECTIVE) ?? []).map((directive) => directive.trim()).filter((text) => text !== '')
}
