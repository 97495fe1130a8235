import { decodeString } from '../sql/decode-string.ts'
import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { seeBody } from './body.ts'
import { DottedName, getText } from './names.ts'
import type { Scan } from './scan.ts'
import { take } from './transaction.ts'

const dotted: DottedName = new DottedName()

/** DO: its body is a string, and is classified in turn. */
export function seeDo(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end } = lexer
  lexer.next()
  let language = 'plpgsql'
  let body: string | undefined
  while (lexer.kind !== T.END && lexer.kind !== T.SEMICOLON) {
    if (lexer.kind === T.STRING && body === undefined) {
      body = decodeString(lexer.sql.slice(lexer.start, lexer.end))
      lexer.next()
    } else if (take(scan, K.LANGUAGE)) {
      language = lexer.kind === T.WORD || lexer.kind === T.QUOTED ? '' : 'unknown'
      if (language === '') {
        dotted.read(scan)
        language = getText(scan, dotted.last)
      } else lexer.next()
    } else return scan.raise('write', 'syntax', start, end)
  }
  if (body === undefined || language !== 'plpgsql') return scan.raise('write', 'procedural-code', start, end)
  const verdict = seeBody('plpgsql', body, scan.knowledge)
  for (const name of verdict.functions) scan.addFunction(name)
  scan.raise(verdict.access, verdict.reason, start, end)
}
