import type {
  Command,
  DrainOuterGeneric,
  Expression,
  IsolationLevel,
  Kysely,
  KyselyPlugin,
  QueryCreator,
  SelectQueryBuilder,
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

/** The parts of a handle that are the same in and out of a transaction. */
interface ReadonlyCommon<DB>
  extends ReadonlyQueryCreator<DB>,
    Pick<Kysely<DB>, 'case' | 'dynamic' | 'fn' | 'introspection'> {
  /** Not on a read-only handle. */
  readonly schema: never
  /** Not to be called. Its type lets raw SQL take the handle: sql`…`.execute(read) is rejected when it writes. */
  readonly getExecutor: never
  /** Not on a read-only handle: run the query through its builder, or raw SQL through sql`…`.execute(read). */
  readonly executeQuery: never
  /** Not on a read-only handle: a plugin makes it one. */
  readonly withoutPlugins: never
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
  withSchema(schema: string): ReadonlyKysely<DB>
  withTables<Tables extends Record<string, object>>(): ReadonlyKysely<DrainOuterGeneric<DB & Tables>>
}

/** A `Kysely` on which only reads compile; `readonlyKysely()` makes one. */
export type ReadonlyKysely<DB> = ReadonlyHandle<DB> &
  ('$extendTables' extends keyof Kysely<unknown> ? TableMethods<DB> : unknown)

/** One connection for several reads. */
export interface ReadonlyConnectionBuilder<DB> {
  execute<Result>(callback: (db: ReadonlyKysely<DB>) => Promise<Result>): Promise<Result>
}

/** A transaction that only reads; it runs on a replica from its first statement to its end. */
export interface ReadonlyTransactionBuilder<DB> {
  setAccessMode(mode: 'read only'): ReadonlyTransactionBuilder<DB>
  setIsolationLevel(level: IsolationLevel): ReadonlyTransactionBuilder<DB>
  execute<Result>(callback: (transaction: ReadonlyTransaction<DB>) => Promise<Result>): Promise<Result>
}

/** Not on a transaction's handle: it is in a transaction already, and has the tables of the handle that began it. */
type NotInTransaction = Readonly<
  Record<
    | 'connection'
    | 'destroy'
    | 'startTransaction'
    | 'transaction'
    | 'withTables'
    | '$extendTables'
    | '$omitTables'
    | '$pickTables',
    never
  >
>

/** The handle of a transaction that only reads. */
export interface ReadonlyTransaction<DB> extends ReadonlyCommon<DB>, NotInTransaction {
  readonly isTransaction: true
  withPlugin(plugin: KyselyPlugin): this
  withSchema(schema: string): this
}

/** A transaction that only reads, ended by hand. */
export interface ReadonlyControlledTransactionBuilder<DB> {
  setAccessMode(mode: 'read only'): ReadonlyControlledTransactionBuilder<DB>
  setIsolationLevel(level: IsolationLevel): ReadonlyControlledTransactionBuilder<DB>
  execute(): Promise<ReadonlyControlledTransaction<DB>>
}

/** The handle of a read-only transaction that is ended by hand. It has no savepoints: there is nothing to undo. */
export interface ReadonlyControlledTransaction<DB>
  extends ReadonlyTransaction<DB>,
    Readonly<Record<'savepoint' | 'rollbackToSavepoint' | 'releaseSavepoint', never>> {
  readonly isCommitted: boolean
  readonly isRolledBack: boolean
  commit(): Command<void>
  rollback(): Command<void>
}
