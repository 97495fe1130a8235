import type { PoolOfApp } from '../options.ts'

const draining = new WeakSet<PoolOfApp>()

/** Notes that the process of this pool is about to leave: `/ready` says so from now on. */
export function startDraining(pool: PoolOfApp): void {
  draining.add(pool)
}

/** Whether the process of this pool is about to leave. */
export function isDraining(pool: PoolOfApp): boolean {
  return draining.has(pool)
}
