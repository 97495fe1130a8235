import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusterNode } from '@headwater/cluster'

/** Stops all processes of a server (SIGSTOP), as a host does that swaps or is suspended. Returns what lets them go on. */
export async function freeze(node: ClusterNode): Promise<() => void> {
  const postmaster = await postmasterOf(node)
  // A frozen parent starts no new children while we look for the existing ones.
  signal([postmaster], 'SIGSTOP')
  const children = await childrenOf(postmaster)
  signal(children, 'SIGSTOP')
  return () => signal([...children, postmaster], 'SIGCONT')
}

/** Has a server read its files anew, without a connection to it. */
export async function reload(node: ClusterNode): Promise<void> {
  signal([await postmasterOf(node)], 'SIGHUP')
}

async function postmasterOf(node: ClusterNode): Promise<number> {
  const text = await readFile(join(node.dataFolder, 'postmaster.pid'), 'utf8')
  return Number(text.split('\n')[0])
}

async function childrenOf(parent: number): Promise<number[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const pairs = await Promise.all(
    names.map(async (name) => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
      // The name before it may itself contain spaces and parentheses.
      return { pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }
    }),
  )
  return pairs.filter((pair) => pair.parent === parent).map(({ pid }) => pid)
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself.
    }
  }
}
