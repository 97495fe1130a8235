import { runInScope, Scope } from '@headwater/core'
import type { Block } from './paired.ts'

/** `concurrency` callers share the operations; with a scope, a block is one request that does them all. */
export function concurrentBlock(run: () => Promise<unknown>, concurrency: number, isScoped: boolean): Block {
  const block: Block = async (operations) => {
    let left = operations
    const caller = async (): Promise<void> => {
      while (left-- > 0) await run()
    }
    await Promise.all(Array.from({ length: concurrency }, caller))
  }
  return isScoped ? (operations) => runInScope(new Scope({ kind: 'request' }), () => block(operations)) : block
}
