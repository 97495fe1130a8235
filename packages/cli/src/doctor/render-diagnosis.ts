import type { Paint } from '../render.ts'
import type { Level } from './check.ts'
import type { Diagnosis } from './doctor.ts'

const SIGNS: Readonly<Record<Level, readonly [string, 'green' | 'dim' | 'yellow' | 'red']>> = {
  ok: ['✓', 'green'],
  note: ['·', 'dim'],
  warn: ['!', 'yellow'],
  bad: ['✗', 'red'],
}

/** The diagnosis for people, ending in a line feed. */
export function renderDiagnosis({ checks, findings }: Diagnosis, paint: Paint): string {
  const lines: string[] = []
  let before: string | undefined
  for (const { level, about, says, cure } of checks) {
    if (about !== before) lines.push(paint('bold', about))
    before = about
    const [sign, style] = SIGNS[level]
    lines.push(`  ${paint(style, sign)} ${says}`)
    if (cure !== undefined) lines.push(`    ${paint('cyan', '→')} ${cure}`)
  }
  const sum = findings === 0 ? 'nothing is wrong' : findings === 1 ? '1 finding' : `${findings} findings`
  return `${lines.join('\n')}\n\n${paint(findings === 0 ? 'green' : 'red', sum)}\n`
}
