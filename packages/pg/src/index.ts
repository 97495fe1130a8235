export type { NodeOptions, RoutedPoolOptions } from './options.ts'
export { RoutedPool } from './routed-pool.ts'
