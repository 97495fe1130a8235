import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { PAGE, runAll } from './run-all.ts'
import { STATEMENTS, type StatementName } from './statements.ts'

let outcome: Awaited<ReturnType<typeof runAll>>

beforeAll(async () => {
  outcome = await runAll()
  console.log(outcome.page)
}, 120_000)

describe('Headwater, at home beside two replicas', () => {
  it.each(Object.entries(STATEMENTS))('R1, R2: %s goes where it belongs', (name, { right }) => {
    expect(outcome.columns[0]).toMatchObject({ name: 'Headwater' })
    expect(outcome.columns[0]?.cells[name as StatementName]).toBe(right)
  })
})

it('docs/peers.md says what this run gave (else: main.ts --write)', async ({ skip }) => {
  const [reason] = Object.entries(outcome.unable).map(([name, why]) => `${name} cannot run here: ${why}`)
  if (reason !== undefined) console.warn(reason)
  skip(reason !== undefined, reason)
  expect(outcome.columns.map(({ name }) => name)).toContain('`@prisma/extension-read-replicas`')
  expect(await readFile(PAGE, 'utf8')).toBe(outcome.page)
})
