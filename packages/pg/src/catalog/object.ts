import type { Knowledge, Known, NameKind } from '@headwater/core/internal'

/** What shows what an object does: text in a language, other objects by id, functions of pg_catalog by name. */
export interface Evidence {
  readonly text?: { readonly language: string; readonly body: string } | undefined
  readonly refs?: readonly string[] | undefined
  readonly fact?: Known | undefined
  /** A function that `x.f` calls when x is a row. */
  readonly isAttribute?: boolean
  /** An operator that a word may stand for, whatever the types in the text: IN, LIKE, BETWEEN. */
  readonly isImplied?: boolean
}

/** One object of the database. */
export interface CatalogObject {
  readonly id: string
  readonly kind: NameKind
  readonly schema: string
  readonly name: string
  /** What it needs, as far as is known by now: it only ever gets stricter. */
  readonly known: Known
}

/** {@link Knowledge} of one database. */
export interface CatalogKnowledge extends Knowledge {
  /** Types whose use needs more than a read: a domain's check, or a cast by a function. */
  findType(schema: string | undefined, name: string): Known | undefined
}
