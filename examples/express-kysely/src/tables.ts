import type { Generated, Selectable } from 'kysely'

/** The tables that this app asks through Kysely. `session` is connect-pg-simple's own. */
export interface Tables {
  readonly note: NoteTable
}

export interface NoteTable {
  readonly id: Generated<number>
  readonly author: string
  readonly body: string
  /** The region of the app that wrote it. */
  readonly written_in: string
  readonly written_at: Generated<Date>
}

export type NoteRow = Selectable<NoteTable>
