export type { CursorConstructor } from './cursor-constructor.ts'
export { HeadwaterDialect, type HeadwaterDialectOptions } from './headwater-dialect.ts'
export type {
  ReadonlyConnectionBuilder,
  ReadonlyControlledTransaction,
  ReadonlyControlledTransactionBuilder,
  ReadonlyKysely,
  ReadonlyQueryCreator,
  ReadonlyTransaction,
  ReadonlyTransactionBuilder,
} from './readonly-handle.ts'
export { readonlyKysely } from './readonly-kysely.ts'
