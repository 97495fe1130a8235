import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { circlesIn, type Floors, type ImportGraph, importsOf, readImports, wrongArrows } from './import-graph.ts'

const packages = new URL('../packages/', import.meta.url)

/** Which packages a package may import: the first picture in ARCHITECTURE.md. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  core: [],
  http: ['core'],
  pg: ['core'],
  kysely: ['core', 'pg'],
  drizzle: ['core', 'pg'],
  cli: ['core', 'pg'],
  'fly-proxy': [],
  cluster: [],
}

/**
 * The rooms of a folder, from the ground up. Each may import what is below it, and nothing else. A list within the list
 * is one floor: its rooms do not know each other. Files that stand in the folder itself are the roof, unless a floor
 * names them.
 */
const ROOMS: Readonly<Record<string, Floors>> = {
  'fly-proxy/src': [['report', 'http'], ['distance', 'replay'], ['routing', 'options'], 'world', 'proxy'],
  'cluster/src': ['errors', ['options', 'machine', 'postgres', 'wire'], ['nodes', 'local', 'containers']],
  'core/src': [
    'errors',
    ['nodes', 'statement', 'warnings'],
    'classify',
    'route',
    'replay',
    'session',
    'diagnostics.ts',
    'scope',
  ],
  'core/src/classify': ['sql', 'names', 'grammar'],
  'pg/src': [
    ['options', 'once'],
    'driver',
    'lanes',
    ['node', 'catalog'],
    'fleet',
    ['reads', 'report'],
    'execution',
    'pool',
  ],
  'http/src': [
    ['request', 'replay', 'own-error.ts', 'routes'],
    ['forward', 'response'],
    'token',
    'options.ts',
    ['health', 'life'],
    'adapter.ts',
    'hono',
    ['hono.ts', 'express.ts', 'koa.ts', 'testing'],
  ],
}

/** The SQL grammar is recursive by nature: a statement holds queries, a body holds statements, a text may run another. */
const GRAMMAR = ['body', 'do', 'dynamic-query', 'plpgsql-words', 'query', 'statements'].map(
  (file) => `classify/grammar/${file}.ts`,
)

/** The circles of each package. Only the grammar's is there to stay; one file more or less in any of them is an error. */
const CIRCLES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  core: [GRAMMAR],
}

const graphs = new Map<string, ImportGraph>(
  Object.keys(PACKAGES).map((name) => [name, readImports(new URL(`${name}/src/`, packages))]),
)
const graphOf = (name: string): ImportGraph => graphs.get(name) ?? new Map()

describe('import arrows', () => {
  it('are declared for every package', () => {
    expect(Object.keys(PACKAGES).sort()).toEqual(readdirSync(packages).sort())
  })

  describe.each(Object.entries(PACKAGES))('of %s', (name, allowed) => {
    it('lead to the packages below it only, and stay inside src', () => {
      const wrong = [...graphOf(name)].flatMap(([file, targets]) =>
        targets.filter((target) => isForeign(target, allowed)).map((target) => `${file} -> ${target}`),
      )
      expect(wrong).toEqual([])
    })

    it('are what its package.json depends on', () => {
      const manifest: { dependencies?: object; peerDependencies?: object } = JSON.parse(
        readFileSync(new URL(`${name}/package.json`, packages), 'utf8'),
      )
      const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
        .filter((dependency) => dependency.startsWith('@headwater/'))
        .map((dependency) => dependency.slice('@headwater/'.length))
      expect(declared.sort()).toEqual([...allowed].sort())
    })

    it('make no circle of files, types included', () => {
      expect(circlesIn(graphOf(name))).toEqual(CIRCLES[name] ?? [])
    })
  })

  describe.each(Object.entries(ROOMS))('between the rooms of %s', (folder, floors) => {
    const graph = readImports(new URL(`${folder}/`, packages))

    it('point down only', () => {
      expect(wrongArrows(graph, floors)).toEqual([])
    })

    it('have rooms that exist', () => {
      const rooms = floors.flat()
      const there = new Set([...graph.keys()].map((file) => file.split('/')[0]))
      expect(rooms.filter((room) => !there.has(room))).toEqual([])
      expect(new Set(rooms).size).toBe(rooms.length)
    })
  })
})

describe.each(['core', 'pg'])('S2: a process that starts with %s', (name) => {
  it('imports of Node what it has loaded already; the rest it asks for where it is needed', () => {
    const folder = new URL(`${name}/src/`, packages)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const imported = files.flatMap((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8')
      return [...text.matchAll(/^import (?!type ).* from '(node:[^']+)'$/gm)].map(([, module = '']) => module)
    })
    expect([...new Set(imported)].filter((module) => !LOADED_ALREADY.has(module))).toEqual([])
    expect(imported.length).toBeGreaterThan(0)
  })
})

/** An ESM import of any other module makes all that it has. */
const LOADED_ALREADY: ReadonlySet<string> = new Set(['node:async_hooks', 'node:diagnostics_channel'])

describe('the picture of the rooms in ARCHITECTURE.md', () => {
  it('is the table of this test, floor by floor', () => {
    const page = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')
    expect(roomsIn(page)).toEqual(ROOMS)
  })

  it('is read from its lines, and from nothing else', () => {
    const page = 'See pg/src.\n\n```\npg/src    low ← left, right ← high.ts\ncli       over core\n```\n'
    expect(roomsIn(page)).toEqual({ 'pg/src': ['low', ['left', 'right'], 'high.ts'] })
  })
})

/** The lines `folder   ground ← floor, floor ← roof` of a page. */
function roomsIn(page: string): Readonly<Record<string, Floors>> {
  const lines = [...page.matchAll(/^([\w-]+\/src\S*) +(\S.* ← .*)$/gm)]
  return Object.fromEntries(
    lines.map(([, folder = '', floors = '']) => [
      folder,
      floors.split(' ← ').map((floor) => {
        const [first = '', ...others] = floor.split(', ')
        return others.length === 0 ? first : [first, ...others]
      }),
    ]),
  )
}

/** Whether a package may not import this: a package of ours that is not below it, or a file outside its src. */
function isForeign(target: string, allowed: readonly string[]): boolean {
  const sibling = /^@headwater\/([\w-]+)/.exec(target)?.[1]
  return sibling === undefined ? target.startsWith('../') : !allowed.includes(sibling)
}

describe('the reader of imports', () => {
  const graph = (arrows: Record<string, string[]>): ImportGraph => new Map(Object.entries(arrows))

  test.each([
    ["import { a } from './a.ts'", './a.ts'],
    ["import type { A } from './a.ts'", './a.ts'],
    ["import {\n  a,\n  type B,\n} from './a.ts'", './a.ts'],
    ["import './a.ts'", './a.ts'],
    ["export * from './a.ts'", './a.ts'],
    ["export type { A } from './a.ts'", './a.ts'],
    ["const a = await import('./a.ts')", './a.ts'],
    ["type A = typeof import('./a.ts')", './a.ts'],
    ["new URL('./a.ts', import.meta.url)", './a.ts'],
    ["import { Client } from 'pg'", 'pg'],
  ])('sees %s', (source, specifier) => {
    expect(importsOf(source)).toEqual([specifier])
  })

  it('sees no import in a comment', () => {
    expect(importsOf("/**\n * import { a } from './a.ts'\n */\n// import './b.ts'\n")).toEqual([])
  })

  it('finds a circle of two, one of three, and a file that imports itself', () => {
    const arrows = { a: ['b'], b: ['a', 'c'], c: ['d'], d: ['e'], e: ['c', 'f'], f: ['pg'], g: ['g', 'a'] }
    expect(circlesIn(graph(arrows))).toEqual([['a', 'b'], ['c', 'd', 'e'], ['g']])
    expect(circlesIn(graph({ a: ['b', 'c'], b: ['c'], c: [] }))).toEqual([])
  })

  it('finds an arrow that points up, one between rooms of a floor, and a room on no floor', () => {
    const arrows = {
      'low/a.ts': ['low/b.ts', 'high/a.ts', 'index.ts'],
      'low/b.ts': ['pg'],
      'left/a.ts': ['low/a.ts', 'right/a.ts'],
      'right/a.ts': ['low/a.ts'],
      'high/a.ts': ['left/a.ts', 'right/a.ts', 'ground.ts'],
      'attic/a.ts': ['low/a.ts'],
      'ground.ts': ['low/a.ts'],
      'index.ts': ['high/a.ts', 'face.ts'],
      'face.ts': ['low/a.ts'],
    }
    expect(wrongArrows(graph(arrows), ['ground.ts', 'low', ['left', 'right'], 'high'])).toEqual([
      'low/a.ts -> high/a.ts (upwards)',
      'low/a.ts -> index.ts (upwards)',
      'left/a.ts -> right/a.ts (rooms of one floor)',
      'attic/a.ts (its room is on no floor)',
      'ground.ts -> low/a.ts (upwards)',
    ])
  })
})
