import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusterNode } from '@headwater/cluster'

/** A server on this machine that hangs (SIGSTOP): it takes connections, keeps those that it has, and answers nothing. */
export class Frozen implements Disposable {
  readonly #pids: readonly number[]

  private constructor(pids: readonly number[]) {
    this.#pids = pids
  }

  static async freeze({ dataFolder }: ClusterNode): Promise<Frozen> {
    const [line] = (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n')
    const postmaster = Number(line)
    // First, so that it makes no more of them.
    process.kill(postmaster, 'SIGSTOP')
    const children = await readFile(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
    const pids = [postmaster, ...children.trim().split(' ').filter(Boolean).map(Number)]
    const frozen = new Frozen(pids)
    frozen.#send('SIGSTOP')
    return frozen
  }

  [Symbol.dispose](): void {
    this.#send('SIGCONT')
  }

  #send(signal: 'SIGSTOP' | 'SIGCONT'): void {
    for (const pid of this.#pids) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended.
      }
    }
  }
}
