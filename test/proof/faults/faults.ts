import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Random } from '../random.ts'
import type { FaultRig, Replication, ServerName } from './fault-rig.ts'
import { freeze, reload } from './frozen.ts'

export interface StrikeOptions {
  /** How long the fault lasts, in ms. */
  readonly holdMillis: number
  readonly random: Random
}

/** Something that goes wrong, and is well again in the end. */
export interface Fault {
  /** What happens, for people. */
  readonly what: string
  /** Whether nrt-1 becomes the primary: such a fault has a cluster of its own. */
  readonly isPromotion?: boolean
  /** Whether clients can do nothing without an answer: their own edge is gone. */
  readonly cutsClients?: boolean
  strike(rig: FaultRig, options: StrikeOptions): Promise<void>
}

const BOTH: readonly Replication[] = ['asynchronous', 'synchronous']
export const REPLICATIONS = BOTH

/** Every fault of the proof, by its name. */
export const FAULTS = {
  'replica-killed': {
    what: 'SIGKILL of a replica; it comes back',
    strike: (rig, { holdMillis }) => away(rig, 'nrt-1', holdMillis),
  },
  'primary-killed': {
    what: 'SIGKILL of the primary; it comes back',
    strike: (rig, { holdMillis }) => away(rig, 'primary', holdMillis / 2),
  },
  'replica-frozen': {
    what: 'SIGSTOP of a replica, then SIGCONT',
    strike: (rig, { holdMillis }) => frozen(rig, 'nrt-1', holdMillis),
  },
  'primary-frozen': {
    what: 'SIGSTOP of the primary, then SIGCONT',
    strike: (rig, { holdMillis }) => frozen(rig, 'primary', holdMillis),
  },
  'replica-blackhole': {
    what: 'a replica that no packet reaches',
    strike: (rig, { holdMillis }) => wired(rig, holdMillis, () => rig.wires['nrt-1'].blackhole()),
  },
  'primary-blackhole': {
    what: 'a primary that no packet reaches',
    strike: (rig, { holdMillis }) => wired(rig, holdMillis, () => rig.wires.primary.blackhole()),
  },
  'primary-mute': {
    what: 'a primary that hears everything, and whose packets are lost',
    strike: (rig, { holdMillis }) => wired(rig, holdMillis, () => rig.wires.primary.blackhole('to-client')),
  },
  'half-open': {
    what: 'a NAT forgets the connections to the primary and to a replica',
    strike: (rig, { holdMillis }) =>
      wired(rig, holdMillis, () => {
        rig.wires.primary.halfOpen()
        rig.wires['nrt-1'].halfOpen()
      }),
  },
  reset: {
    what: 'RST on every connection to every server, again and again',
    strike: async (rig, { holdMillis }) => {
      await every(150, holdMillis, () => {
        for (const wire of Object.values(rig.wires)) wire.reset()
      })
    },
  },
  'slow-link': {
    what: '80 ms and 200 kB/s to the primary, 200 ms and 50 kB/s to a replica, each way',
    strike: (rig, { holdMillis }) =>
      wired(rig, holdMillis, () => {
        rig.wires.primary.slow({ latencyMillis: 80, bytesPerSecond: 200_000 })
        rig.wires['nrt-1'].slow({ latencyMillis: 200, bytesPerSecond: 50_000 })
      }),
  },
  'answer-lost': {
    what: 'the answer of a COMMIT or of a single write is lost, or it never arrives, again and again',
    strike: async (rig, { holdMillis, random }) => {
      await every(40, holdMillis, () => {
        const side = random.chance(0.5) ? 'behind' : 'before'
        const how = random.pick(['reset', 'end'] as const)
        rig.wires.primary.cut({ at: /commit|insert into log/i, side, how, times: 1 })
      })
      await rig.healAll()
    },
  },
  'replica-full': {
    what: 'max_connections of a replica, taken by others',
    strike: (rig, { holdMillis }) => full(rig, 'nrt-1', holdMillis),
  },
  'primary-full': {
    what: 'max_connections of the primary, taken by others',
    strike: (rig, { holdMillis }) => full(rig, 'primary', holdMillis),
  },
  'replica-refused': {
    what: 'a replica at which nothing listens',
    strike: async (rig, { holdMillis }) => {
      const wire = rig.wires['nrt-1']
      await wire.refuse()
      wire.reset()
      await sleep(holdMillis)
      await rig.healAll()
    },
  },
  'replica-login': {
    what: 'a replica that refuses the login (pg_hba.conf)',
    strike: (rig, { holdMillis }) => lockedOut(rig, 'nrt-1', holdMillis),
  },
  'recovery-conflict': {
    what: 'locks and vacuums at the primary, so that replicas cancel what reads there',
    strike: async (rig, { holdMillis }) => {
      const before = await rig.conflicts()
      await rig.slowReads(10)
      try {
        await every(20, holdMillis, async () => {
          // Some other session may hold it for long; the next time will do.
          await rig
            .node('primary')
            .query("set lock_timeout = '50ms'; lock table register in access exclusive mode")
            .catch(() => undefined)
          await rig.node('primary').query('vacuum register, clock')
        })
        await rig.untilConflicts(before)
      } finally {
        await rig.slowReads(0)
      }
    },
  },
  'proxy-down': {
    what: "a region's edge of the proxy refuses and resets its clients",
    cutsClients: true,
    strike: async (rig, { holdMillis }) => {
      await rig.edges.nrt.refuse()
      rig.edges.nrt.reset()
      await sleep(holdMillis)
      await rig.healAll()
    },
  },
  'region-down': {
    what: 'a region is gone: app instance and replica',
    strike: async (rig, { holdMillis }) => {
      rig.proxy.faults.regionDown('ord')
      try {
        await away(rig, 'ord-1', holdMillis)
      } finally {
        rig.proxy.faults.regionUp('ord')
      }
    },
  },
  'home-down': {
    what: "the app is gone in the primary's region; the primary lives",
    strike: async (rig, { holdMillis }) => {
      rig.proxy.faults.regionDown('ams')
      try {
        await sleep(holdMillis)
      } finally {
        rig.proxy.faults.regionUp('ams')
      }
    },
  },
  'clock-steps': {
    what: 'the clock of an app instance steps by up to 30 s, back and forth',
    strike: async (rig, { holdMillis, random }) => {
      const skew = rig.instances[1]?.skew
      if (skew === undefined) throw new Error('the rig has one instance')
      await every(holdMillis / 8, holdMillis, () => {
        skew.millis = random.between(-30_000, 30_000)
      })
      await rig.healAll()
    },
  },
  promotion: {
    what: 'SIGKILL of the primary, and a replica in another region is promoted',
    isPromotion: true,
    strike: async (rig, { holdMillis }) => {
      await rig.promote(() => rig.cluster.primary.kill())
      await rig.untilFenced()
      await sleep(holdMillis / 2)
    },
  },
  'role-swap': {
    what: 'a planned switchover to another region; the old primary comes back as a replica',
    isPromotion: true,
    strike: async (rig, { holdMillis }) => {
      await rig.promote(() => rig.cluster.primary.stop('fast'))
      await rig.demoteOldOne()
      await rig.untilFenced()
      await sleep(holdMillis / 2)
    },
  },
  'split-brain': {
    what: 'a replica is promoted while the old primary lives on, and stays reachable',
    isPromotion: true,
    strike: async (rig, { holdMillis }) => {
      await rig.promote(async () => undefined)
      await rig.untilFenced()
      await sleep(holdMillis)
    },
  },
  'rolling-deploy': {
    what: 'a switchover, then instance after instance starts with a new configuration',
    isPromotion: true,
    strike: async (rig, { holdMillis }) => {
      await rig.promote(() => rig.cluster.primary.stop('fast'))
      await rig.demoteOldOne()
      for (const index of rig.instances.keys()) {
        await rig.redeploy(index)
        await sleep(holdMillis / 4)
      }
      await rig.untilFenced()
    },
  },
} as const satisfies Readonly<Record<string, Fault>>

export type FaultName = keyof typeof FAULTS
export const FAULT_NAMES: readonly FaultName[] = Object.keys(FAULTS) as FaultName[]

async function away(rig: FaultRig, name: ServerName, millis: number): Promise<void> {
  await rig.node(name).kill()
  try {
    await sleep(millis)
  } finally {
    await rig.node(name).start()
  }
}

async function frozen(rig: FaultRig, name: ServerName, millis: number): Promise<void> {
  const thaw = await freeze(rig.node(name))
  try {
    await sleep(millis)
  } finally {
    thaw()
  }
}

async function wired(rig: FaultRig, millis: number, strike: () => void): Promise<void> {
  strike()
  await sleep(millis)
  await rig.healAll()
}

/** How long the sessions that took all places may take to give them back, in ms. */
const ROOM_MILLIS = 10_000

/** Takes every connection that the server gives, also those that the SDK gives up meanwhile. */
async function full(rig: FaultRig, name: ServerName, millis: number): Promise<void> {
  const { url } = rig.node(name)
  const hogs: pg.Client[] = []
  const isFull = async (): Promise<boolean> => {
    const client = new pg.Client(url)
    client.on('error', () => undefined)
    const isIn = await client.connect().then(
      () => true,
      () => false,
    )
    if (isIn) hogs.push(client)
    return !isIn
  }
  const release = (): Promise<unknown> => Promise.all(hogs.splice(0).map((hog) => hog.end().catch(() => undefined)))
  try {
    // What is there already is closed: new sessions are what must fail.
    const end = performance.now() + millis
    while (!(await isFull()));
    rig.wires[name].reset()
    while (performance.now() < end) if (await isFull()) await sleep(5)
  } finally {
    await release()
    // A session that was ended holds its place until its process has gone.
    for (const end = performance.now() + ROOM_MILLIS; (await isFull()) && performance.now() < end; ) await sleep(20)
    await release()
  }
}

async function lockedOut(rig: FaultRig, name: ServerName, millis: number): Promise<void> {
  const node = rig.node(name)
  const file = join(node.dataFolder, 'pg_hba.conf')
  const before = await readFile(file, 'utf8')
  try {
    await writeFile(file, before.replaceAll(/^(\s*host\s.*)\s(trust)\s*$/gm, '$1 reject'))
    await reload(node)
    await sleep(50)
    rig.wires[name].reset()
    await sleep(millis)
  } finally {
    await writeFile(file, before)
    await reload(node)
  }
}

async function every(pauseMillis: number, millis: number, act: () => unknown): Promise<void> {
  for (const end = performance.now() + millis; performance.now() < end; await sleep(pauseMillis)) await act()
}
