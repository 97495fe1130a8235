import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Script } from './corpus.ts'
import { cutScript } from './psql-script.ts'

/** The order of the tests is in the makefile: the first ones make what the others use. */
export function testsOf(folder: string): readonly string[] {
  const makefile = ['Makefile', 'GNUmakefile'].map((name) => join(folder, name)).find((path) => existsSync(path))
  if (makefile === undefined) return []
  const text = readFileSync(makefile, 'utf8').replaceAll('\\\n', ' ')
  return [...text.matchAll(/^\s*REGRESS\s*\+?=(.*)$/gm)].flatMap(([, names]) => (names ?? '').trim().split(/\s+/))
}

export function scriptsOf(folder: string, names: readonly string[]): readonly Script[] {
  const files = names.map((name) => join(folder, 'sql', `${name}.sql`)).filter((file) => existsSync(file))
  return files.map((file) => ({
    name: basename(file, '.sql'),
    isIsolated: false,
    texts: cutScript(overLoopback(readFileSync(file, 'utf8')), folder),
  }))
}

/** dblink and postgres_fdw come back by a socket of the file system; our servers listen on 127.0.0.1 only. */
function overLoopback(script: string): string {
  return script
    .replaceAll("OPTIONS (dbname '$$||", "OPTIONS (host '127.0.0.1', dbname '$$||")
    .replaceAll("$$dbname='$$||", "$$host=127.0.0.1 dbname='$$||")
}
