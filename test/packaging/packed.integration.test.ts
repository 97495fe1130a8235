import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

  it('holds what it was built from and its papers, and nothing else', () => {
    const strays = packages.flatMap(({ manifest, files }) => {
      const built = /^dist\/(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/
      const isExpected = (file: string): boolean => {
        if (['package.json', 'README.md', 'LICENSE'].includes(file)) return true
        // A room's page of ten lines goes along with its sources.
        if (/^src\/(?:.+\.ts|(?:.+\/)?README\.md)$/.test(file)) return true
        const module = built.exec(file)?.[1]
        // A file of a source that is gone was left behind by an earlier build.
        return module !== undefined && files.includes(`src/${module}.ts`)
      }
      const missing = ['README.md', 'LICENSE'].filter((file) => !files.includes(file))
      return [...files.filter((file) => !isExpected(file)), ...missing].map((file) => `${manifest.name}/${file}`)
    })
    expect(strays, 'delete dist/ and build again if these are left over from an earlier build').toEqual([])
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
