import { createInterface } from 'node:readline'
import { anyPost, BODY, pageOf, type Workload } from './workloads.ts'

// Runs in Bun: does what a line says, and answers with what it cost. Ends with its input.

/** Of Bun, whose types are not installed here. */
type Sql = ((strings: TemplateStringsArray, ...values: unknown[]) => Promise<unknown>) & {
  begin(run: (sql: Sql) => Promise<unknown>): Promise<unknown>
}
const { SQL } = Reflect.get(globalThis, 'Bun') as { SQL: new (url: string, options: object) => Sql }

const [readUrl = '', writeUrl = '', max = '10'] = process.argv.slice(2)
const [reads, writes] = [readUrl, writeUrl].map((url) => new SQL(url, { max: Number(max) })) as [Sql, Sql]

const point = async (): Promise<unknown> => await reads`select id, title from post where id = ${anyPost()}`
const insert = async (sql: Sql): Promise<unknown> => await sql`insert into entry (body) values (${BODY}) returning id`
const RUNS: Readonly<Record<Workload, () => Promise<unknown>>> = {
  point,
  join: async () =>
    await reads`select p.id, p.title, a.name, c.body from post p join author a on a.id = p.author_id
    join comment c on c.post_id = p.id where p.id = ${anyPost()}`,
  insert: () => insert(writes),
  transaction: () => writes.begin(insert),
  page: () => pageOf(point),
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const { workload, callers, operations } = JSON.parse(line) as {
    workload: Workload
    callers: number
    operations: number
  }
  let left = operations
  const caller = async (): Promise<void> => {
    while (left-- > 0) await RUNS[workload]()
  }
  const before = process.cpuUsage()
  const start = performance.now()
  await Promise.all(Array.from({ length: callers }, caller))
  const elapsed = performance.now() - start
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ time: (elapsed * 1000) / operations, clientCpu: (user + system) / operations }))
}
process.exit()
