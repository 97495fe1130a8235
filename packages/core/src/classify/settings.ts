import { isNodeSetting, type Part } from './names.ts'
import { F, type Scan } from './scan.ts'
import { T } from './tokens.ts'
import { FUNCTION_CURRENT_SETTING, FUNCTION_SET_CONFIG } from './words.ts'

const { CLOSE, COMMA, END, OPEN, STRING } = T

/** Looks at the first argument where the name of a setting decides; returns flags for its parenthesis. */
export function watchSetting(scan: Scan, functionKind: number, { start, end }: Part): number {
  if (functionKind !== FUNCTION_SET_CONFIG && functionKind !== FUNCTION_CURRENT_SETTING) return 0
  const setting = settingName(scan)
  if (functionKind === FUNCTION_SET_CONFIG) {
    if (isNodeSetting(setting ?? '')) scan.raise('write', 'transaction-control', start, end)
    return F.SET_CONFIG
  }
  if (setting === undefined || isNodeSetting(setting)) scan.raise('write', 'node-local', start, end)
  return 0
}

/** The literal that is the whole first argument; the current token, the `(`, stays. */
function settingName(scan: Scan): string | undefined {
  const lexer = scan.lexer
  const { start, end } = lexer
  const isLiteral = lexer.next() === STRING && lexer.sql.charCodeAt(lexer.start) === 39
  const setting = isLiteral ? lexer.sql.slice(lexer.start + 1, lexer.end - 1) : undefined
  const following = isLiteral ? lexer.next() : END
  lexer.start = start
  lexer.end = end
  lexer.kind = OPEN
  return following === COMMA || following === CLOSE ? setting : undefined
}
