import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadBothWays, makeConsumer, typeCheck } from './consumer.ts'
import { type NpmTree, npmTree } from './npm-tree.ts'
import { type PackedPackage, packAll, ROOT } from './packed-package.ts'
import { moduleOf, readmeBlocks } from './readme-blocks.ts'
import { runNode } from './run.ts'

/** Each version of each ORM that is promised, where this repository has it. */
const DRIZZLE_045 = join(ROOT, 'test/node_modules/drizzle-orm')
const DRIZZLE_1 = join(ROOT, 'test/node_modules/drizzle-orm-1.0')
const KYSELY_028 = join(ROOT, 'test/node_modules/kysely-0.28')
const KYSELY_029 = join(ROOT, 'test/node_modules/kysely')

/** What both adapters need besides. */
const DRIVER = [join(ROOT, 'test/node_modules/pg'), join(ROOT, 'test/node_modules/@types/pg')]

let folder: string
let packages: readonly PackedPackage[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-orm-'))
  packages = await packAll(join(folder, 'packed'))
}, 180_000)

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

/** What npm would install of an adapter and `orm`. */
async function treeOf(adapter: string, orm: Parameters<typeof npmTree>[2][number]): Promise<NpmTree> {
  const needed = ['core', 'pg', adapter].map((name) => `@headwater/${name}`)
  const chosen = packages.filter(({ manifest }) => needed.includes(manifest.name))
  return await npmTree(await mkdtemp(join(folder, 'npm-')), chosen, [orm, ...DRIVER])
}

describe('extension-read-replicas#42: npm installs an adapter', { timeout: 60_000 }, () => {
  it.each([
    { adapter: 'drizzle', name: 'drizzle-orm', version: '0.45', orm: DRIZZLE_045 },
    { adapter: 'drizzle', name: 'drizzle-orm', version: '1.0.0-rc', orm: DRIZZLE_1 },
    { adapter: 'kysely', name: 'kysely', version: '0.28', orm: KYSELY_028 },
    { adapter: 'kysely', name: 'kysely', version: '0.29', orm: KYSELY_029 },
  ])('$adapter beside $name $version, and no other ORM', async ({ adapter, name, version, orm }) => {
    const { code, output, versions } = await treeOf(adapter, orm)
    expect(code, output).toBe(0)
    expect(versions[name]?.startsWith(`${version}.`)).toBe(true)
    const expected = ['@headwater/core', '@headwater/pg', `@headwater/${adapter}`, '@types/pg', 'pg', name]
    expect(Object.keys(versions).sort()).toEqual(expected.sort())
  })

  it.each([
    { adapter: 'drizzle', name: 'drizzle-orm', version: '0.44.7' },
    { adapter: 'drizzle', name: 'drizzle-orm', version: '1.0.0-rc.4' },
    { adapter: 'kysely', name: 'kysely', version: '0.27.6' },
  ])('$adapter, but not beside $name $version', async ({ adapter, name, version }) => {
    const { code, output } = await treeOf(adapter, { name, version })
    expect(code).not.toBe(0)
    expect(output).toContain('ERESOLVE')
  })
})

describe('an app on Drizzle 1.0', { timeout: 120_000 }, () => {
  let app: string

  beforeAll(async () => {
    app = join(folder, 'app')
    await cp(join(folder, 'packed/node_modules'), join(app, 'node_modules'), { recursive: true })
    await makeConsumer(app, packages, { 'drizzle-orm': DRIZZLE_1 })
  })

  it('has the types that the README shows', async () => {
    const blocks = await readmeBlocks(join(ROOT, 'packages/drizzle/README.md'), 'ts drizzle-1.0')
    expect(blocks.length).toBeGreaterThan(0)
    for (const block of blocks) await writeFile(join(app, `drizzle-readme-line-${block.line}.ts`), moduleOf(block))
    expect(await typeCheck(app)).toEqual([])
  })

  it('runs it', async () => {
    const { code, output } = await loadBothWays(app, '@headwater/drizzle')
    expect(code, output).toBe(0)
    const script = join(app, 'run.mjs')
    await writeFile(
      script,
      `import { drizzle, readonly } from '@headwater/drizzle'
       import { RoutedPool } from '@headwater/pg'
       import { defineRelations } from 'drizzle-orm'
       import { integer, pgTable } from 'drizzle-orm/pg-core'
       const relations = defineRelations({ note: pgTable('note', { id: integer() }) })
       const client = new RoutedPool({ primary: { connectionString: 'postgres://localhost/app' } })
       const db = drizzle({ client, relations })
       console.log(db.query.note.findMany().toSQL().sql)
       console.log(readonly(db).query.note.findMany().toSQL().sql)
       await client.end()`,
    )
    const ran = await runNode([script], app)
    expect(ran.output.trim().split('\n')).toEqual(Array(2).fill(expect.stringMatching(/^select .* from "note"/)))
    expect(ran.code).toBe(0)
  })
})
