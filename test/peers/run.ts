import pg from 'pg'
import type { Contestant } from './contestant.ts'
import { STATEMENTS, type Statement, type StatementName } from './statements.ts'
import type { Nodes, World } from './world.ts'

export interface Column {
  readonly name: string
  readonly version: string
  readonly cells: Readonly<Record<StatementName, string>>
}

/** Where nobody listens. */
const NOWHERE = 'postgres://postgres@127.0.0.1:1/postgres'

/** Runs every statement through one of them, each on connections of its own. */
export async function runColumn(world: World, contestant: Contestant): Promise<Column> {
  const cells: [string, string][] = []
  for (const name of Object.keys(STATEMENTS) as StatementName[]) {
    cells.push([name, await cellOf(world, contestant, name)])
  }
  const { name, version } = contestant
  return { name, version, cells: Object.fromEntries(cells) as Column['cells'] }
}

async function cellOf(world: World, contestant: Contestant, name: StatementName): Promise<string> {
  const statement: Statement = STATEMENTS[name]
  const body = `${contestant.name} ${name}`
  await reset(world, statement, body)
  const { primary } = world.nodes
  const nodes: Nodes = statement.weather === 'replicas gone' ? { primary, replicas: [NOWHERE, NOWHERE] } : world.nodes
  const opened = await contestant.open(nodes)
  try {
    const attempt = opened.attempts[name]
    if (attempt === undefined) return '–'
    const run = () => outcomeOf(world, statement, body, attempt.run)
    const outcome = statement.weather === 'replicas behind' ? await world.whileBehind(run) : await run()
    return attempt.isRaw ? `${outcome} (raw)` : outcome
  } finally {
    await opened.close()
  }
}

/** So that what one of them did is not found again as the next one's. */
async function reset(world: World, { title }: Statement, body: string): Promise<void> {
  await world.admin.query(`delete from note; update counter set n = 0; drop table if exists made`)
  if (title.includes('delete`')) await world.admin.query('insert into note (body) values ($1)', [body])
  await world.settle()
}

async function outcomeOf(
  world: World,
  { right, landed }: Statement,
  body: string,
  run: (body: string) => Promise<string | undefined>,
): Promise<string> {
  try {
    const said = await run(body)
    const where = said ?? ((await landed?.(world, body)) ? 'primary' : 'a replica')
    if (said === undefined && landed === undefined) throw new Error(`nobody knows where this went: ${body}`)
    const isReplica = where.startsWith('replica-') || where === 'a replica'
    if (!isReplica) return where
    return right === 'primary' ? 'replica, silently' : 'replica'
  } catch (error) {
    return failureOf(error)
  }
}

/** What only a server in recovery answers: the primary here is never read-only. */
const REFUSALS = new Set<unknown>(['25006', '0A000', '55000'])

function failureOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = Reflect.get(cause, 'code')
    if (REFUSALS.has(code)) return `replica: ${code}`
    if (cause instanceof pg.DatabaseError || code === 'ECONNREFUSED') return `error: ${code}`
    if (cause.cause === undefined) return `error: ${cause.message.replaceAll(/\s+/g, ' ').trim()}`
  }
  return `error: ${String(error)}`
}
