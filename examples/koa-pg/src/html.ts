/** Text that is safe to put into a page. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

type Part = string | Html | readonly Html[]

/** A template whose parts are escaped, unless they are `html` themselves. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, index) => text + textOf(parts[index - 1] ?? '') + string))
}

function textOf(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part !== 'string') return part.map(({ text }) => text).join('')
  return part.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
