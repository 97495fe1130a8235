import type {
  Command,
  CompiledQuery,
  ConnectionBuilder,
  DrainOuterGeneric,
  Expression,
  IsolationLevel,
  Kysely,
  KyselyPlugin,
  QueryCreator,
  QueryResult,
  SelectQueryBuilder,
  SelectQueryNode,
} from 'kysely'

/** 'notes' of 'notes(id, body)'. */
type TableOf<Name> = Name extends `${infer Table}(${string})` ? Table : Name

type ColumnsOf<List> = List extends `${infer Column}, ${infer Rest}` ? Column | ColumnsOf<Rest> : List

/** The columns that a name like 'notes(id, body)' declares; of type any, as in Kysely. */
type RowOf<Name> = Name extends `${string}(${infer List})`
  ? { [Column in ColumnsOf<List> & string]: ReturnType<typeof JSON.parse> }
  : Record<string, ReturnType<typeof JSON.parse>>

type ReadOutput<DB, Name> = SelectQueryBuilder<DB, never, unknown> | Expression<RowOf<Name>> | Expression<unknown>

type ReadExpression<DB, Name> = ReadOutput<DB, Name> | ((creator: ReadonlyQueryCreator<DB>) => ReadOutput<DB, Name>)

type RecursiveReadExpression<DB, Name extends string> = (
  creator: ReadonlyQueryCreator<DB & { [Table in TableOf<Name>]: RowOf<Name> }>,
) => ReadOutput<DB, Name>

type RowFrom<Read> =
  Read extends Expression<infer Row> ? Row : Read extends (...args: never) => Expression<infer Row> ? Row : never

type WithCommonTable<DB, Name extends string, Read> = ReadonlyQueryCreator<
  DB & { [Table in TableOf<Name>]: RowFrom<Read> }
>

/** A copy of Kysely's own type, which it does not export. */
interface CommonTableBuilder<Name extends string> {
  materialized(): CommonTableBuilder<Name>
  notMaterialized(): CommonTableBuilder<Name>
}

/** Declared as a method's parameter, so that a callback that takes Kysely's own builder has this type too. */
type CommonTableCallback<Name extends string> = {
  build(cte: <Given extends string>(name: Given) => CommonTableBuilder<Given>): CommonTableBuilder<Name>
}['build']

/** Builds queries that only read, with Kysely's own builders and result types. */
export interface ReadonlyQueryCreator<DB> extends Pick<QueryCreator<DB>, 'selectFrom' | 'selectNoFrom'> {
  with<Name extends string, Read extends ReadExpression<DB, Name>>(
    name: Name | CommonTableCallback<Name>,
    expression: Read,
  ): WithCommonTable<DB, Name, Read>
  withRecursive<Name extends string, Read extends RecursiveReadExpression<DB, Name>>(
    name: Name | CommonTableCallback<Name>,
    expression: Read,
  ): WithCommonTable<DB, Name, Read>
  /** Not on a read-only handle; `never` keeps the handle assignable to Kysely 0.29's own `ReadonlyKysely`. */
  readonly insertInto: never
  /** Not on a read-only handle. */
  readonly updateTable: never
  /** Not on a read-only handle. */
  readonly deleteFrom: never
  /** Not on a read-only handle. */
  readonly mergeInto: never
  /** Not on a read-only handle. */
  readonly replaceInto: never
}

/** What a method of Kysely takes after its first argument: 0.29 has options that 0.28 does not have. */
type Later<Method extends (...args: never) => unknown> = Parameters<Method> extends [unknown, ...infer Rest] ? Rest : []

/** The parts of a handle that are the same in and out of a transaction. */
interface ReadonlyCommon<DB>
  extends ReadonlyQueryCreator<DB>,
    Pick<Kysely<DB>, 'case' | 'dynamic' | 'fn' | 'introspection'> {
  /** Not on a read-only handle. */
  readonly schema: never
  /** Not to be called. Its type lets raw SQL take the handle: sql`…`.execute(read) is rejected when it writes. */
  readonly getExecutor: never
  /** Runs a query that was built on this handle or another one, compiled or not. */
  executeQuery<Row>(
    query: SelectQueryBuilder<DB, never, Row> | (CompiledQuery<Row> & { readonly query: SelectQueryNode }),
    ...options: Later<Kysely<unknown>['executeQuery']>
  ): Promise<Pick<QueryResult<Row>, 'rows'>>
  /** No other query compiles here. */
  executeQuery(...args: never[]): never
}

/** Methods of Kysely 0.29 that 0.28 does not have. */
interface TableMethods<DB> {
  $extendTables<Tables extends Record<string, object>>(): ReadonlyKysely<DrainOuterGeneric<DB & Tables>>
  /** Not on a read-only handle: leave tables out of `db` before it is made one. */
  readonly $omitTables: never
  /** Not on a read-only handle: pick the tables of `db` before it is made one. */
  readonly $pickTables: never
}

interface ReadonlyHandle<DB> extends ReadonlyCommon<DB>, Pick<Kysely<DB>, 'destroy' | 'isTransaction'> {
  connection(): ReadonlyConnectionBuilder<DB>
  transaction(): ReadonlyTransactionBuilder<DB>
  startTransaction(): ReadonlyControlledTransactionBuilder<DB>
  withPlugin(plugin: KyselyPlugin): ReadonlyKysely<DB>
  withoutPlugins(): ReadonlyKysely<DB>
  withSchema(schema: string): ReadonlyKysely<DB>
  withTables<Tables extends Record<string, object>>(): ReadonlyKysely<DrainOuterGeneric<DB & Tables>>
}

/** A `Kysely` on which only reads compile; `readonlyKysely()` makes one. */
export type ReadonlyKysely<DB> = ReadonlyHandle<DB> &
  ('$extendTables' extends keyof Kysely<unknown> ? TableMethods<DB> : unknown)

/** One connection for several reads. */
export interface ReadonlyConnectionBuilder<DB> {
  execute<Result>(
    callback: (db: ReadonlyKysely<DB>) => Promise<Result>,
    ...options: Later<ConnectionBuilder<unknown>['execute']>
  ): Promise<Result>
}

/** A transaction that only reads; it runs on a replica from its first statement to its end. */
export interface ReadonlyTransactionBuilder<DB> {
  setAccessMode(mode: 'read only'): ReadonlyTransactionBuilder<DB>
  setIsolationLevel(level: IsolationLevel): ReadonlyTransactionBuilder<DB>
  execute<Result>(callback: (transaction: ReadonlyTransaction<DB>) => Promise<Result>): Promise<Result>
}

/** Not on a transaction's handle: it is in a transaction already. */
type NotInTransaction = Readonly<Record<'connection' | 'destroy' | 'startTransaction' | 'transaction', never>>

/** The handle of a transaction that only reads. */
export interface ReadonlyTransaction<DB> extends ReadonlyCommon<DB>, NotInTransaction {
  readonly isTransaction: true
  withPlugin(plugin: KyselyPlugin): ReadonlyTransaction<DB>
  withoutPlugins(): ReadonlyTransaction<DB>
  withSchema(schema: string): ReadonlyTransaction<DB>
  withTables<Tables extends Record<string, object>>(): ReadonlyTransaction<DrainOuterGeneric<DB & Tables>>
  $extendTables<Tables extends Record<string, object>>(): ReadonlyTransaction<DrainOuterGeneric<DB & Tables>>
  /** Not on a read-only handle: leave tables out of `db` before it is made one. */
  readonly $omitTables: never
  /** Not on a read-only handle: pick the tables of `db` before it is made one. */
  readonly $pickTables: never
}

/** A transaction that only reads, ended by hand. */
export interface ReadonlyControlledTransactionBuilder<DB> {
  setAccessMode(mode: 'read only'): ReadonlyControlledTransactionBuilder<DB>
  setIsolationLevel(level: IsolationLevel): ReadonlyControlledTransactionBuilder<DB>
  execute(): Promise<ReadonlyControlledTransaction<DB>>
}

/** Copies of Kysely's own types, which it does not export: the savepoints that are left after one was released, or returned to. */
type ReleaseSavepoint<Names extends string[], Name extends Names[number]> = Names extends [...infer Before, infer Last]
  ? Last extends Name
    ? Before
    : ReleaseSavepoint<Before extends string[] ? Before : never, Name>
  : never

type RollbackToSavepoint<Names extends string[], Name extends Names[number]> = Names extends [
  ...infer Before,
  infer Last,
]
  ? Last extends Name
    ? Names
    : RollbackToSavepoint<Before extends string[] ? Before : never, Name>
  : never

/** The handle of a read-only transaction that is ended by hand. */
export interface ReadonlyControlledTransaction<DB, Names extends string[] = []> extends ReadonlyTransaction<DB> {
  readonly isCommitted: boolean
  readonly isRolledBack: boolean
  commit(): Command<void>
  rollback(): Command<void>
  withPlugin(plugin: KyselyPlugin): ReadonlyControlledTransaction<DB, Names>
  withoutPlugins(): ReadonlyControlledTransaction<DB, Names>
  withSchema(schema: string): ReadonlyControlledTransaction<DB, Names>
  withTables<Tables extends Record<string, object>>(): ReadonlyControlledTransaction<
    DrainOuterGeneric<DB & Tables>,
    Names
  >
  $extendTables<Tables extends Record<string, object>>(): ReadonlyControlledTransaction<
    DrainOuterGeneric<DB & Tables>,
    Names
  >
  /** Not on a read-only handle: leave tables out of `db` before it is made one. */
  readonly $omitTables: never
  /** Not on a read-only handle: pick the tables of `db` before it is made one. */
  readonly $pickTables: never
  savepoint<Name extends string>(
    name: Name extends Names ? never : Name,
  ): Command<ReadonlyControlledTransaction<DB, [...Names, Name]>>
  releaseSavepoint<Name extends Names[number]>(
    name: Name,
  ): ReleaseSavepoint<Names, Name> extends string[]
    ? Command<ReadonlyControlledTransaction<DB, ReleaseSavepoint<Names, Name>>>
    : never
  rollbackToSavepoint<Name extends Names[number]>(
    name: Name,
  ): RollbackToSavepoint<Names, Name> extends string[]
    ? Command<ReadonlyControlledTransaction<DB, RollbackToSavepoint<Names, Name>>>
    : never
}
