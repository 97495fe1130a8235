import { T } from '../sql/tokens.ts'
import { FUNCTION_CURRENT_SETTING, FUNCTION_SET_CONFIG } from '../sql/word-list.ts'
import { FUNCTION_MAY_RUN_TEXT, isNodeSetting, type Part } from './names.ts'
import { F, type Scan } from './scan.ts'
import { watchText } from './text-argument.ts'

const { CAST, CLOSE, COMMA, END, OPEN, STRING, WORD } = T

/** Looks at the first argument where the name of a setting decides; returns flags for the parenthesis of a call. */
export function watchSetting(scan: Scan, functionKind: number, { start, end }: Part): number {
  if (functionKind === FUNCTION_MAY_RUN_TEXT) return F.MAY_RUN_TEXT
  if (functionKind < 0) return watchText(scan, functionKind, start, end)
  if (functionKind !== FUNCTION_SET_CONFIG && functionKind !== FUNCTION_CURRENT_SETTING) return 0
  const setting = settingName(scan)
  if (functionKind === FUNCTION_SET_CONFIG) {
    if (isNodeSetting(setting ?? '') || setting?.includes('\\') === true)
      scan.raise('write', 'transaction-control', start, end)
    return F.SET_CONFIG
  }
  if (setting === undefined || setting.includes('\\') || isNodeSetting(setting)) scan.raiseQuestion('write', start, end)
  return 0
}

/** The literal that is the whole first argument; the current token, the `(`, stays. */
function settingName(scan: Scan): string | undefined {
  const lexer = scan.lexer
  const { start, end } = lexer
  const isLiteral = lexer.next() === STRING && lexer.sql.charCodeAt(lexer.start) === 39
  const setting = isLiteral ? lexer.sql.slice(lexer.start + 1, lexer.end - 1) : undefined
  let following = isLiteral ? lexer.next() : END
  // As Postgres prints its views, policies and defaults: `'app.tenant'::text`.
  if (following === CAST && lexer.next() === WORD && lexer.sql.startsWith('text', lexer.start)) following = lexer.next()
  lexer.start = start
  lexer.end = end
  lexer.kind = OPEN
  return following === COMMA || following === CLOSE ? setting : undefined
}
