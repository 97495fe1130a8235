import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Corpus, Script, Suite } from '../corpus.ts'
import { debianSource } from '../debian-source.ts'
import { scriptsOf, testsOf } from '../regress-scripts.ts'

/** PostgreSQL's own tests of its contrib modules, each module in a database of its own. */
export const contrib: Corpus = {
  name: 'contrib',
  async suites({ cacheFolder, signal }) {
    const folder = join(await debianSource('postgresql-15', cacheFolder, PATHS, signal), 'contrib')
    return readdirSync(folder).flatMap((module) => suitesOf(join(folder, module)))
  },
}

/** PostgreSQL's own tests of PL/pgSQL, PL/Perl, PL/Python and PL/Tcl. */
export const proceduralLanguages: Corpus = {
  name: 'pl',
  async suites({ cacheFolder, signal }) {
    const folder = join(await debianSource('postgresql-15', cacheFolder, PATHS, signal), 'src/pl')
    return LANGUAGES.flatMap(([path, setup]) => suitesOf(join(folder, path), setup))
  },
}

/** PostgreSQL's own regression tests: the whole language, on the schema that they build up. */
export const regress: Corpus = {
  name: 'regress',
  async suites({ cacheFolder, signal }) {
    return regressSuites(await debianSource('postgresql-15', cacheFolder, PATHS, signal))
  },
}

/** The same of the version that the cluster runs, from Debian's next release. */
export const regress18: Corpus = {
  name: 'regress-18',
  async suites({ cacheFolder, signal }) {
    return regressSuites(await debianSource('postgresql-18', cacheFolder, PATHS, signal, 'sid'))
  },
}

function regressSuites(source: string): readonly Suite[] {
  const folder = join(source, 'src/test/regress')
  const schedule = readFileSync(join(folder, 'parallel_schedule'), 'utf8')
  const names = [...schedule.matchAll(/^test: (.*)$/gm)].flatMap(([, line]) => (line ?? '').trim().split(/\s+/))
  return [{ name: 'regress', setup: '', scripts: scriptsOf(folder, names) }]
}

const PATHS = ['contrib', 'src/pl', 'src/test/regress']
const LANGUAGES = [
  ['plpgsql/src', ''],
  ['plperl', 'create extension plperl; create extension plperlu'],
  ['plpython', 'create extension plpython3u'],
  ['tcl', 'create extension pltcl; create extension pltclu'],
] as const

/**
 * A script that makes its extension begins a database of its own: what others leave behind, because no transaction of
 * theirs is rolled back here, would be in its way. A language that this build of Postgres has not got fails in each
 * statement: that is counted, not hidden.
 */
function suitesOf(folder: string, setup = ''): readonly Suite[] {
  const suites: { name: string; setup: string; scripts: Script[] }[] = []
  for (const script of scriptsOf(folder, testsOf(folder))) {
    const makesExtension = Array.from(script.texts).some(({ sql }) => /^create extension/i.test(sql))
    const last = suites.at(-1)
    if (last === undefined || makesExtension)
      suites.push({ name: `${moduleOf(folder)}/${script.name}`, setup, scripts: [script] })
    else last.scripts.push(script)
  }
  return suites
}

const moduleOf = (folder: string): string => basename(folder.replace(/\/src$/, ''))
