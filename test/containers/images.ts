import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { install } from '../matrix/install.ts'
import { runProgram } from '../matrix/run-program.ts'
import type { Engine } from './engine.ts'

/** The Debian that has each PostgreSQL. */
const SUITES = { 15: 'bookworm', 17: 'trixie', 18: 'testing' } as const

export type PostgresImage = keyof typeof SUITES
export const POSTGRES_IMAGES: readonly PostgresImage[] = [15, 17, 18]

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where a machine keeps whom it trusts: behind a proxy with a certificate of its own, an image must trust it too. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** Makes, of Debian's packages, what behaves as the official image of this PostgreSQL, unless it is there. */
export async function makePostgresImage(engine: Engine, major: PostgresImage): Promise<void> {
  await makeImage(engine, `postgres:${major}`, {
    suite: SUITES[major],
    packages: [`postgresql-${major}`],
    env: { PATH: `/usr/lib/postgresql/${major}/bin:${SYSTEM_PATH}` },
  })
}

/** Makes what the Dockerfiles of the examples begin with: Debian, Node 24 and npm, and a user `node`. */
export async function makeNodeImage(engine: Engine): Promise<void> {
  await makeImage(engine, 'node:24-slim', {
    suite: 'bookworm',
    packages: ['ca-certificates'],
    env: { PATH: SYSTEM_PATH, NODE_EXTRA_CA_CERTS: CERTIFICATES },
    finish: async (root, workFolder) => {
      const modules = join(workFolder, 'npm/node_modules')
      await install(join(workFolder, 'npm'), { node: '24', npm: '11' })
      await mkdir(join(root, 'usr/local/lib/node_modules'), { recursive: true })
      await cp(join(modules, 'node/bin/node'), join(root, 'usr/local/bin/node'))
      await cp(join(modules, 'npm'), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
      await cp(CERTIFICATES, join(root, CERTIFICATES))
      const npm = '/usr/local/lib/node_modules/npm/bin'
      await must('chroot', [root, 'ln', '-s', `${npm}/npm-cli.js`, '/usr/local/bin/npm'])
      await must('chroot', [root, 'ln', '-s', `${npm}/npx-cli.js`, '/usr/local/bin/npx'])
      await must('chroot', [root, 'useradd', '--uid', '1000', '--create-home', 'node'])
    },
  })
}

interface Recipe {
  readonly suite: string
  readonly packages: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly finish?: (root: string, workFolder: string) => Promise<void>
}

async function makeImage(engine: Engine, name: string, recipe: Recipe): Promise<void> {
  // The name that Docker completes, so that whoever asks for `postgres:18` is given this one.
  const tag = `docker.io/library/${name}`
  const isThere = await engine.command(['image', 'inspect', tag]).then(
    () => true,
    () => false,
  )
  if (isThere) return
  console.log(`Making the image ${name} of Debian's packages (${recipe.suite}), once.`)
  const workFolder = await mkdtemp(join(tmpdir(), 'headwater-image-'))
  try {
    const root = join(workFolder, 'root')
    const include = `--include=${recipe.packages.join(',')}`
    await must('debootstrap', ['--variant=minbase', include, recipe.suite, root, await mirror()])
    await recipe.finish?.(root, workFolder)
    const archive = join(workFolder, 'image.tar')
    await must('tar', ['--exclude=./var/cache/apt', '--exclude=./usr/share/doc', '-C', root, '-cf', archive, '.'])
    const changes = Object.entries(recipe.env).flatMap(([key, value]) => ['--change', `ENV ${key}=${value}`])
    await engine.command(['import', ...changes, archive, tag], 300_000)
  } finally {
    await rm(workFolder, { recursive: true, force: true })
  }
}

/** The Debian mirror that this machine has been set up with. */
async function mirror(): Promise<string> {
  const targets = await must('apt-get', [
    'indextargets',
    '--format',
    '$(ORIGIN) $(CODENAME) $(SITE)',
    'Created-By: Packages',
  ])
  const debian = targets.split('\n').map((line) => line.split(' '))
  // `bookworm`, and neither its updates nor its security: those have only some of the packages.
  const site = debian.find(([origin, codename = '-']) => origin === 'Debian' && !codename.includes('-'))?.[2]
  if (site === undefined) throw new Error('apt knows no mirror of Debian here, so there is nothing to make an image of')
  return site
}

async function must(file: string, args: readonly string[]): Promise<string> {
  const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  const { code, output } = await runProgram(file, args, { cwd: '/', env, timeoutMillis: 600_000 })
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${output.trim().slice(-2000)}`)
  return output
}
