import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as core from '../src/index.ts'

/** What an app calls, and the types it names. A name more or less is a decision: it is kept stable from then on. */
const VALUES = [
  'BackgroundAbandoned',
  'ConnectionLost',
  'HeadwaterError',
  'OptionsInvalid',
  'OutcomeUnknown',
  'PrimaryBusy',
  'PrimaryConflict',
  'PrimaryUnavailable',
  'ReplayImpossible',
  'ReplayToPrimary',
  'ReplicaBehind',
  'Scope',
  'SessionUnavailable',
  'WriteOnReplica',
  'backgroundSettled',
  'configureBackground',
  'currentScope',
  'diagnostics',
  'ensurePrimary',
  'findReplay',
  'forbidReplay',
  'getToken',
  'inBackground',
  'isReplay',
  'needsPrimary',
  'replayOn',
  'runInScope',
  'runWithToken',
  'see',
  'withConsistency',
  'withPrimary',
  'withReplica',
]

const TYPES = [
  'BackgroundDefaults',
  'BackgroundEvent',
  'BackgroundOptions',
  'CommitOutcome',
  'Consistency',
  'FreshnessEvent',
  'HeadwaterErrorCode',
  'Logger',
  'NoSession',
  'NodeEvent',
  'QueryEvent',
  'ReplayBlocker',
  'ReplayEvent',
  'ReplayReason',
  'RouteEvent',
  'ScopeOptions',
  'TokenOptions',
  'Topology',
  'UnverifiedEvent',
  'WarningCode',
]

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

/** The names that a file of `export { … } from` and `export type { … } from` lines gives out. */
function namesIn(source: string): { readonly values: string[]; readonly types: string[] } {
  const names = [...source.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = '', list = '']) =>
    list.split(',').flatMap((name) => (name.trim() === '' ? [] : [type + name.trim()])),
  )
  const types = names.filter((name) => name.startsWith('type ')).map((name) => name.slice('type '.length))
  return { values: names.filter((name) => !name.startsWith('type ')).sort(), types: types.sort() }
}

describe('the names of core', () => {
  const index = read('packages/core/src/index.ts')

  it('are these for an app', () => {
    expect(Object.keys(core).sort()).toEqual(VALUES)
    expect(namesIn(index)).toEqual({ values: VALUES, types: TYPES })
    // Each statement is read: no `export *`, and nothing declared here.
    expect(index.match(/^export/gm)?.length).toBe(index.match(/^export (?:type )?\{/gm)?.length)
  })

  it('stand in one of the two entries only', () => {
    const internal = namesIn(read('packages/core/src/internal.ts'))
    expect(internal.values.length).toBeGreaterThan(0)
    const both = [...VALUES, ...TYPES].filter((name) => [...internal.values, ...internal.types].includes(name))
    expect(both).toEqual([])
  })

  it('are enough for the READMEs and the examples', () => {
    const filesIn = (folder: string) =>
      readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${folder}/${file}`)
    const pages = readdirSync(new URL('packages/', root)).map((name) => `packages/${name}/README.md`)
    // Some are configuration alone.
    const sources = readdirSync(new URL('examples/', root))
      .map((name) => `examples/${name}/src`)
      .filter((folder) => existsSync(new URL(folder, root)))
      .flatMap(filesIn)
    expect(sources.length).toBeGreaterThan(0)
    const insiders = ['README.md', ...pages, ...sources].filter((file) =>
      read(file).includes('@headwater/core/internal'),
    )
    expect(insiders).toEqual([])
  })
})
