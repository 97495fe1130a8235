import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

let child: ChildProcess | undefined
afterEach(async () => {
  if (child === undefined || hasEnded(child)) return
  child.kill('SIGKILL')
  await once(child, 'close')
})

test('Ctrl-C ends everything', async () => {
  const { running, processes } = await start()
  running.kill('SIGINT')
  const [code] = await once(running, 'exit')
  expect(code).toBe(0)
  await expect.poll(() => processes.filter(isAlive), { timeout: 5000 }).toEqual([])
})

test('even when it is killed, nothing is left behind', async () => {
  const { running, processes } = await start()
  running.kill('SIGKILL')
  await expect.poll(() => processes.filter(isAlive), { timeout: 10_000 }).toEqual([])
})

test('an app that does not start is told with what it printed, and nothing is left behind', async () => {
  const running = spawn(process.execPath, ['--conditions=dev-source', pathOf('../src/main.ts'), pathOf('./')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child = running
  let complaint = ''
  running.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const [code] = await once(running, 'close')
  expect(code).toBe(1)
  expect(complaint).toMatch(/the migrations ended with 1:[\s\S]*migrate\.ts/)
})

/** The world of one app as `pnpm dev` starts it, once it is up. */
async function start(): Promise<{ running: ChildProcess; processes: number[] }> {
  const running = spawn(
    process.execPath,
    ['--conditions=dev-source', pathOf('../src/main.ts'), pathOf('../../koa-pg')],
    {
      env: { ...process.env, PORT_NRT: '0', PORT_AMS: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  child = running
  let output = ''
  running.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await expect.poll(() => output, { timeout: 15_000 }).toContain('Ctrl-C ends everything.')
  const processes = descendants(running.pid ?? 0)
  // The app of each region, the servers, and the shells that watch over those.
  expect(processes.length).toBeGreaterThan(4)
  return { running, processes }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function descendants(pid: number): number[] {
  const all = readdirSync('/proc').map(Number).filter(Number.isInteger)
  const found = [pid]
  for (const parent of found) found.push(...all.filter((candidate) => parentOf(candidate) === parent))
  return found
}

function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined
}

/** `undefined` when there is no such process, or only its exit code is left. */
function parentOf(pid: number): number | undefined {
  try {
    const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return state === 'Z' ? undefined : Number(parent)
  } catch {
    return undefined
  }
}
