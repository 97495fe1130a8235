import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, posix } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importsOf } from '../import-graph.ts'
import { loadBothWays, makeConsumer, typeCheck } from './consumer.ts'
import { type PackedPackage, packAll, ROOT } from './packed-package.ts'
import { moduleOf, readmeBlocks } from './readme-blocks.ts'
import { runNode } from './run.ts'

const ATTW = join(
  dirname(createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')),
  'dist/index.js',
)

/** What nobody should get by installing a package of ours: frameworks, ORMs, other drivers. */
const FOREIGN = /^(?:hono|express|koa|fastify|kysely|drizzle-orm|@prisma\/.*|knex|typeorm|sequelize|@mikro-orm\/.*)$/

let folder: string
let packages: readonly PackedPackage[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-packed-'))
  packages = await packAll(folder)
  await makeConsumer(folder, packages)
}, 180_000)

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

describe('what is published', () => {
  it('is every package in packages/', () => {
    expect(packages.map(({ manifest }) => manifest.name)).toEqual(
      expect.arrayContaining(['core', 'pg', 'http', 'cluster', 'fly-proxy'].map((name) => `@headwater/${name}`)),
    )
  })

  it('has nothing to say to publint, strictly', async () => {
    const said: string[] = []
    for (const { tarball, manifest } of packages) {
      const content = await readFile(tarball)
      const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength)
      const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true })
      said.push(...messages.map((message) => `${manifest.name}: ${formatMessage(message, pkg)}`))
    }
    expect(said).toEqual([])
  })

  it('has right types, says attw', { timeout: 120_000 }, async () => {
    const said: string[] = []
    for (const { tarball, manifest } of packages) {
      const { code, output } = await runNode([ATTW, '--profile', 'esm-only', '--no-color', tarball], folder)
      if (code !== 0) said.push(`${manifest.name}:\n${output}`)
    }
    expect(said).toEqual([])
  })

  it('says in its package.json what it should', () => {
    for (const { manifest } of packages) {
      expect(manifest, manifest.name).toMatchObject({
        description: expect.stringMatching(/\.$/),
        keywords: expect.arrayContaining(['headwater']),
        license: 'MIT',
        author: 'Headwater',
        type: 'module',
        version: packages[0]?.manifest.version,
      })
      expect(JSON.stringify(manifest), manifest.name).not.toMatch(/"(?:workspace|catalog|link|file):/)
    }
  })

  it('holds what it was built from and its papers, and nothing else', async () => {
    const strays: string[] = []
    for (const { manifest, files, folder: installed } of packages) {
      const modules = await modulesOf(manifest, installed)
      const isExpected = (file: string): boolean => {
        if (['package.json', 'README.md', 'LICENSE'].includes(file)) return true
        // A room's page of ten lines goes along with its sources.
        if (/^src\/(?:.+\.ts|(?:.+\/)?README\.md)$/.test(file)) return true
        // What no entry leads to was left behind by an earlier build.
        const [, module] = /^(dist\/.+\.js)(?:\.map)?$/.exec(file) ?? []
        if (module !== undefined) return modules.has(module)
        const [, declared] = /^dist\/(.+)\.d\.ts(?:\.map)?$/.exec(file) ?? []
        return declared !== undefined && files.includes(`src/${declared}.ts`)
      }
      const missing = ['README.md', 'LICENSE'].filter((file) => !files.includes(file))
      const wrong = [...files.filter((file) => !isExpected(file)), ...missing]
      strays.push(...wrong.map((file) => `${manifest.name}/${file}`))
    }
    expect(strays, 'delete dist/ and build again if these are left over from an earlier build').toEqual([])
  })

  it('has few modules, in plain bytes, readable, whose maps lead to the published sources', async () => {
    for (const { manifest, files, folder: installed } of packages) {
      const modules = await modulesOf(manifest, installed)
      // A process that starts pays for each of them.
      expect(modules.size, manifest.name).toBeLessThan(12)
      for (const module of modules) {
        const code = await readFile(join(installed, module), 'utf8')
        // One character beyond them, and Node reads all of it in two bytes each.
        expect(/[^\0-\x7f]/.exec(code)?.[0], `${manifest.name}/${module}`).toBeUndefined()
        // One that only passes on what another has is a line or two, and needs no map.
        if (/^(?:(?:import|export) .*\n?)*$/.test(code)) continue
        const lines = code.split('\n')
        expect(code.length / lines.length, `${manifest.name}/${module}`).toBeLessThan(80)
        const map = JSON.parse(await readFile(join(installed, `${module}.map`), 'utf8')) as { sources: string[] }
        const sources = map.sources.map((source) => posix.join(posix.dirname(module), source))
        expect(files, `${manifest.name}/${module}`).toEqual(expect.arrayContaining(sources))
      }
    }
  })

  it('orders its conditions: dev-source, types, default; and each leads to a file that is there', () => {
    for (const { manifest, files } of packages) {
      for (const [entry, target] of Object.entries(manifest.exports)) {
        if (typeof target === 'string') {
          expect(files, entry).toContain(target.slice(2))
          continue
        }
        expect(Object.keys(target), `${manifest.name} ${entry}`).toEqual(['dev-source', 'types', 'default'])
        for (const file of Object.values(target)) expect(files, `${manifest.name} ${entry}`).toContain(file.slice(2))
      }
    }
  })

  it('core needs nothing', () => {
    const core = packageNamed('@headwater/core').manifest
    expect(core).not.toHaveProperty('dependencies')
    expect(core).not.toHaveProperty('optionalDependencies')
    expect(core).not.toHaveProperty('peerDependencies')
  })

  it('brings in no framework and no ORM', () => {
    for (const { manifest } of packages) {
      const isOptional = (name: string): boolean => manifest.peerDependenciesMeta?.[name]?.optional === true
      const required = [
        ...Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
        // An adapter's own ORM is a peer: the app has it already.
        ...Object.keys(manifest.peerDependencies ?? {}).filter(
          (name) => !isOptional(name) && !manifest.name.endsWith(`/${name.replace('-orm', '')}`),
        ),
      ]
      expect(
        required.filter((name) => FOREIGN.test(name)),
        manifest.name,
      ).toEqual([])
    }
    expect(packageNamed('@headwater/http').manifest).not.toHaveProperty('dependencies')
    expect(Object.keys(packageNamed('@headwater/pg').manifest.dependencies ?? {})).toEqual(['@types/pg'])
  })
})

/** What vitest, which has no CommonJS, must be there for: these load by import alone. */
const NEEDS_VITEST = ['@headwater/http/testing']

describe('what is installed', () => {
  it('loads by import and by require, the same from both', { timeout: 120_000 }, async () => {
    for (const { manifest } of packages) {
      for (const entry of Object.keys(manifest.exports)) {
        if (entry.endsWith('.json')) continue
        const specifier = join(manifest.name, entry)
        const isByImportOnly = NEEDS_VITEST.includes(specifier)
        const { code, output } = await loadBothWays(folder, specifier, isByImportOnly)
        expect(code, `${specifier}:\n${output}`).toBe(0)
        const { imported, required } = JSON.parse(output) as { imported: string[]; required: string[] }
        expect(imported.length, specifier).toBeGreaterThan(0)
        if (isByImportOnly) continue
        expect(
          required.filter((name) => name !== '__esModule'),
          specifier,
        ).toEqual(imported)
      }
    }
  })

  it('has commands that run', async () => {
    for (const { manifest, folder: installed } of packages) {
      for (const path of Object.values(manifest.bin ?? {})) {
        const { code, output } = await runNode([join(installed, path), '--help'], folder)
        expect(code, output).toBe(0)
        expect(output).not.toBe('')
      }
    }
  })

  it('is what the READMEs show, in types', { timeout: 120_000 }, async () => {
    const pages = ['README.md', 'docs/promises.md'].map((page) => join(ROOT, page))
    const files = [...pages, ...packages.map(({ source }) => join(source, 'README.md'))]
    let count = 0
    for (const file of files.filter((path) => existsSync(path))) {
      for (const block of await readmeBlocks(file)) {
        // Its name says in an error where it is from.
        const name = `${basename(dirname(file))}-readme-line-${block.line}.ts`
        await writeFile(join(folder, name), moduleOf(block))
        count += 1
      }
    }
    expect(count).toBeGreaterThan(0)
    expect(await typeCheck(folder)).toEqual([])
  })
})

function packageNamed(name: string): PackedPackage {
  const found = packages.find(({ manifest }) => manifest.name === name)
  if (found === undefined) throw new Error(`${name} was not packed`)
  return found
}

/** The built modules that the entries and commands of a package lead to, relative to its folder. */
async function modulesOf({ exports, bin }: PackedPackage['manifest'], installed: string): Promise<ReadonlySet<string>> {
  const entries = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : (target['default'] ?? []),
  )
  const open = [...entries, ...Object.values(bin ?? {})].map((path) => posix.normalize(path))
  const modules = new Set<string>()
  for (let module = open.pop(); module !== undefined; module = open.pop()) {
    if (modules.has(module)) continue
    modules.add(module)
    const code = await readFile(join(installed, module), 'utf8')
    for (const name of importsOf(code)) if (name.startsWith('.')) open.push(posix.join(posix.dirname(module), name))
  }
  return modules
}
