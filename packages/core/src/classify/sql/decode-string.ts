/** What a string constant holds; `undefined` when that would take more than undoubling quotes. */
export function decodeString(text: string): string | undefined {
  if (text.startsWith('$')) {
    const tag = text.indexOf('$', 1) + 1
    return text.slice(tag, -tag)
  }
  // What a backslash means in there is up to the session.
  if (text.includes('\\')) return undefined
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'")
  if (/^e'/i.test(text)) return text.slice(2, -1).replaceAll("''", "'")
  return undefined
}
