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
  for (const about of new Set(checks.map((check) => check.about))) {
    lines.push(paint('bold', about))
    for (const { level, says, cure } of checks.filter((check) => check.about === about)) {
      const [sign, style] = SIGNS[level]
      lines.push(`  ${paint(style, sign)} ${says}`)
      if (cure !== undefined) lines.push(`    ${paint('cyan', '→')} ${cure}`)
    }
  }
  const sum = findings === 0 ? 'nothing is wrong' : findings === 1 ? '1 finding' : `${findings} findings`
  return `${lines.join('\n')}\n\n${paint(findings === 0 ? 'green' : 'red', sum)}\n`
}
