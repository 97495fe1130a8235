import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from '../matrix/run-program.ts'

/** What runs containers, and how a program is led to it. */
export interface Engine extends AsyncDisposable {
  /** `Docker 28.2`, `Podman 4.3`. */
  readonly name: string
  /** Where its images come from: a registry, or from us. */
  readonly hasRegistry: boolean
  /** For those who speak its API: testcontainers. */
  readonly env: Readonly<Record<string, string>>
  /** Runs its command line; gives what it wrote. Throws that when it fails. */
  command(args: readonly string[], timeoutMillis?: number): Promise<string>
}

/** Debian's packages that make an engine and images, with nothing that they only recommend. */
export const DEBIAN_PACKAGES = ['podman', 'runc', 'netavark', 'aardvark-dns', 'iptables', 'debootstrap']

/** The engine that answers here already; else Podman out of Debian's packages, started for us alone. */
export async function openEngine(cacheFolder: string): Promise<Engine> {
  return (await answeringDocker()) ?? (await startPodman(cacheFolder))
}

async function answeringDocker(): Promise<Engine | undefined> {
  const command = commandOf(['docker'], {})
  const version = await command(['version', '--format', '{{.Server.Version}}']).catch(() => undefined)
  if (version === undefined) return undefined
  return {
    name: `Docker ${majorAndMinor(version)}`,
    hasRegistry: true,
    env: {},
    command,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/**
 * Podman with runc, overlay and a bridge network, its API at a socket of our own, its images in the cache folder.
 * @throws Error that says what is missing
 */
async function startPodman(cacheFolder: string): Promise<Engine> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('no Docker engine answers, and without one this needs root on Debian')
  }
  const folder = await mkdtemp(join(tmpdir(), 'headwater-podman-'))
  const storage = join(cacheFolder, 'podman')
  await mkdir(join(storage, 'networks'), { recursive: true })
  // Debian has iptables where a user's PATH may not lead.
  const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, CONTAINERS_CONF: join(folder, 'containers.conf') }
  await writeFile(env.CONTAINERS_CONF, await configuration(join(storage, 'networks')))
  const program = [
    'podman',
    '--root',
    join(storage, 'root'),
    '--runroot',
    join(storage, 'run'),
    '--storage-driver',
    'overlay',
  ]
  const command = commandOf(program, env)
  const close = (service?: ChildProcess) => async () => {
    service?.kill()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const version = await command(['version', '--format', '{{.Version}}'])
    const socket = join(folder, 'engine.sock')
    const [file = '', ...args] = program
    const service = spawn(file, [...args, 'system', 'service', '--time', '0', `unix://${socket}`], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    })
    service.on('error', () => undefined)
    const dispose = close(service)
    if (!(await answers(socket))) {
      await dispose()
      throw new Error('podman system service did not answer within 10 s')
    }
    return {
      name: `Podman ${majorAndMinor(version)}`,
      hasRegistry: false,
      env: {
        DOCKER_HOST: `unix://${socket}`,
        // Its reaper is an image of a registry.
        TESTCONTAINERS_RYUK_DISABLED: 'true',
        // The engine is this machine's, also where this machine looks like a container.
        TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
      },
      command,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (cause) {
    await close()()
    throw new Error(
      `no Docker engine answers, and Podman does not run (${(cause as Error).message}). ` +
        `On Debian: apt-get install --no-install-recommends ${DEBIAN_PACKAGES.join(' ')}, or pnpm containers --install`,
      { cause },
    )
  }
}

/** Limits are given as this process has them, since one that may not raise its own cannot start what asks for more. */
async function configuration(networks: string): Promise<string> {
  const { output } = await runProgram('sh', ['-c', 'ulimit -Hn'], { cwd: '/', timeoutMillis: 5000 })
  const files = /^\d+$/.test(output.trim()) ? output.trim() : '20000'
  return `
[containers]
default_ulimits = ["nofile=${files}:${files}", "nproc=32768:32768"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "${networks}"
`
}

async function answers(socketPath: string): Promise<boolean> {
  const ask = () =>
    new Promise<boolean>((resolve) => {
      get({ socketPath, path: '/_ping', timeout: 5000 }, (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      }).on('error', () => resolve(false))
    })
  for (let round = 0; round < 100; round++) {
    if (await ask()) return true
    await sleep(100)
  }
  return false
}

function commandOf(program: readonly string[], env: Readonly<Record<string, string>>): Engine['command'] {
  const [file = '', ...before] = program
  return async (args, timeoutMillis = 60_000) => {
    const { code, output } = await runProgram(file, [...before, ...args], { cwd: '/', env, timeoutMillis })
    if (code !== 0) throw new Error(`${file} ${args[0]} ended with ${code}: ${output.trim().slice(-2000)}`)
    return output.trim()
  }
}

function majorAndMinor(text: string): string {
  return /\d+\.\d+/.exec(text)?.[0] ?? text
}
