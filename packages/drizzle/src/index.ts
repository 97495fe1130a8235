export {
  type AnyShape,
  drizzle,
  type NoShape,
  type RoutedDatabase,
  type RoutedDrizzle,
  type RoutedDrizzleConfig,
} from './drizzle.ts'
export { type ReadonlyDatabase, type ReadonlyTransaction, readonly } from './readonly.ts'
