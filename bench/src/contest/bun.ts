import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { CONNECTIONS, type Contender, type Cost, namedUrl, type Servers } from './contender.ts'

/** Bun, where this machine has it: `BUN` names its file, else it is on the PATH. */
const COMMAND = process.env['BUN'] ?? 'bun'
export const hasBun = (): boolean => spawnSync(COMMAND, ['--version']).status === 0

const application = 'contest-bun'

/** Bun's own driver, in a process of Bun's, told by lines what to do. */
export async function bunSql({ primary, replica }: Servers, name: string): Promise<Contender> {
  const script = new URL('bun-process.ts', import.meta.url).pathname
  const urls = [replica, primary].map((url) => namedUrl(url, application))
  const child: ChildProcess = spawn(COMMAND, [script, ...urls, String(CONNECTIONS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('[bench] bun has no pipes')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('[bench] bun ended before it answered')
    return value
  }
  await next()
  const never = (): Promise<never> => Promise.reject(new Error('[bench] it runs elsewhere'))
  return {
    name,
    application,
    runs: { point: never, join: never, insert: never, transaction: never, page: never },
    elsewhere: async (workload, callers, operations): Promise<Cost> => {
      stdin.write(`${JSON.stringify({ workload, callers, operations })}\n`)
      return JSON.parse(await next()) as Cost
    },
    end: async () => {
      stdin.end()
      await once(child, 'exit')
    },
  }
}
