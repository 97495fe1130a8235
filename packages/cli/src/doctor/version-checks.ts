import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Check } from './check.ts'

/** The major versions (for 0.x the minor ones) of what was tried: the peer ranges of the packages, and test/matrix. */
const TRIED: Readonly<Record<string, readonly string[]>> = {
  pg: ['8'],
  kysely: ['0.28', '0.29'],
  'drizzle-orm': ['0.45', '1'],
  hono: ['4'],
  express: ['4', '5'],
  koa: ['2', '3'],
}
const OURS = ['core', 'http', 'pg', 'kysely', 'drizzle', 'cli'].map((name) => `@headwater/${name}`)

/** Checks the installed versions, from the folder of the app. Packages that are not installed are left out. */
export async function versionChecks(folder: string, nodeVersion: string): Promise<readonly Check[]> {
  const checks: Check[] = []
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    checks.push({ level: 'bad', about: 'node', says: `${nodeVersion} is too old`, cure: 'run Node 20.19 or later' })
  }
  const installed = await installedIn(folder, [...Object.keys(TRIED), ...OURS])
  const ours = new Set([...installed].filter(([name]) => OURS.includes(name)).map(([, { version }]) => version))
  if (ours.size > 1) {
    checks.push({
      level: 'bad',
      about: '@headwater/*',
      says: `several versions are installed: ${[...ours].join(', ')}`,
      cure: 'install the same version of every @headwater package',
    })
  }
  for (const [name, { version, path }] of installed) {
    const tried = TRIED[name]
    if (tried === undefined) continue
    if (!tried.includes(seriesOf(version))) {
      checks.push({
        level: 'warn',
        about: name,
        says: `${version} was never tried; ${tried.join(' and ')} were`,
        cure: `install ${name}@${tried.at(-1)}`,
      })
    } else checks.push({ level: 'ok', about: name, says: version })
    if (name === 'pg') checks.push(...(await copyChecks(folder, path)))
  }
  return checks
}

/** Two copies of pg have classes that do not know each other. */
async function copyChecks(folder: string, path: string): Promise<Check[]> {
  const pool = pathOf(folder, '@headwater/pg')
  const second = pool === undefined ? undefined : pathOf(pool, 'pg')
  if (second === undefined || second === path) return []
  return [
    {
      level: 'warn',
      about: 'pg',
      says: `two copies are installed: ${path} and ${second}`,
      cure: 'let every package depend on one version (npm ls pg; npm dedupe)',
    },
  ]
}

type Installed = ReadonlyMap<string, { readonly version: string; readonly path: string }>

async function installedIn(folder: string, names: readonly string[]): Promise<Installed> {
  const found = await Promise.all(
    names.map(async (name) => {
      const path = pathOf(folder, name)
      if (path === undefined) return []
      const { version }: { version: string } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
      return [[name, { version, path }] as const]
    }),
  )
  return new Map(found.flat())
}

/** The folder of a package, as Node finds it from `folder`. */
function pathOf(folder: string, name: string): string | undefined {
  const folders = createRequire(join(folder, 'package.json')).resolve.paths(name) ?? []
  for (const candidate of folders) {
    try {
      return dirname(realpathSync(join(candidate, name, 'package.json')))
    } catch {
      // It is not there.
    }
  }
  return undefined
}

function seriesOf(version: string): string {
  const [major = '', minor = ''] = version.split('.')
  return major === '0' ? `0.${minor}` : major
}
