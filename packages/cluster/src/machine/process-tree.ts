import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from './run-command.ts'

/** The children of a process. (A postgres server has no grandchildren.) */
export async function descendantsOf(parent: number): Promise<readonly number[]> {
  const pairs = process.platform === 'linux' ? await pairsOfProc() : await pairsOfPs()
  return pairs.filter(([, parentOf]) => parentOf === parent).map(([pid]) => pid)
}

/** Sends SIGKILL to each, and waits until they are gone, for a second at most. */
export async function killProcesses(pids: readonly number[]): Promise<void> {
  for (const pid of pids) send(pid, 'SIGKILL')
  // Their parent is dead: init reaps them. If nobody does, they stay as zombies, which hold no resources.
  for (let round = 0; round < 250; round++) {
    const alive = await Promise.all(pids.map(isAlive))
    if (!alive.includes(true)) return
    await sleep(4)
  }
}

type ProcessPair = readonly [pid: number, parent: number]

/** Slim containers have no ps. */
async function pairsOfProc(): Promise<readonly ProcessPair[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const pairs = await Promise.all(
    names.map(async (name): Promise<ProcessPair | undefined> => {
      const fields = await statOf(Number(name))
      return fields && [Number(name), Number(fields[1])]
    }),
  )
  return pairs.filter((pair) => pair !== undefined)
}

async function pairsOfPs(): Promise<readonly ProcessPair[]> {
  const { output } = await runCommand('ps', ['-A', '-o', 'pid=,ppid='])
  return [...output.matchAll(/^\s*(\d+)\s+(\d+)\s*$/gm)].map(([, pid, parent]) => [Number(pid), Number(parent)])
}

async function isAlive(pid: number): Promise<boolean> {
  if (!send(pid, 0)) return false
  return process.platform !== 'linux' || !/^[ZX]$/.test((await statOf(pid))?.[0] ?? 'X')
}

/** The fields of /proc/<pid>/stat after the name, which may itself contain spaces and parentheses. */
async function statOf(pid: number): Promise<readonly string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}
