import type { Check } from './check.ts'
import type { Examined, ServerFacts } from './examine-server.ts'

const OLDEST_VERSION = 140_000
const CLOCKS_APART_MILLIS = 30_000
const FAR_MILLIS = 20
const DEFAULT_MAX = 10
const LONG_DELAY_MILLIS = 300_000

/** Checks one server by what it said of itself. Pure. */
export function serverChecks(examined: Examined, isKnownExtension: (name: string) => boolean): readonly Check[] {
  const { server, facts } = examined
  const about = server.label
  if (facts === undefined) return [unreachable(examined)]
  const checks = [
    standing(examined, facts),
    ...roleChecks(examined, facts),
    ...privilegeChecks(examined, facts),
    ...(facts.isStandby ? standbyChecks(examined, facts) : primaryChecks(examined, facts)),
    ...capacityChecks(examined, facts),
    ...extensionChecks(examined, isKnownExtension),
  ]
  return checks.map((check) => ({ ...check, about }))
}

type Told = Omit<Check, 'about'>

function unreachable({ server, failure }: Examined): Check {
  const { message = 'no answer', code } = failure ?? {}
  const words = code === undefined || message.includes(code) ? message : `${message} (${code})`
  return {
    level: 'bad',
    about: server.label,
    says: `gives no session: ${words}`,
    cure: cureFor(code, message, server.origin),
  }
}

function cureFor(code: string | undefined, message: string, origin: string): string {
  if (code === '28P01' || code === '28000') {
    return `correct user and password in ${origin}, or let pg_hba.conf of that server take them${/encryption|SSL/i.test(message) ? '; it may ask for TLS: add sslmode=require' : ''}`
  }
  if (code === '3D000') return `correct the database in ${origin}: the last part of the URL names it`
  if (code === '42501') return `grant connect on the database to the user of ${origin}`
  if (code === '53300') return 'lower `max` in every instance, raise max_connections, or put a pooler in front'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `correct the host in ${origin}: its name does not resolve here`
  if (/does not support SSL/i.test(message))
    return `set sslmode=disable in ${origin}, or give the server a certificate (ssl = on)`
  if (/certificate|self.signed/i.test(message))
    return `give pg the authority's certificate (\`ssl: { ca }\`), or set sslmode=no-verify in ${origin}`
  if (code === 'ECONNREFUSED') return `correct host and port in ${origin}, or start the server: nothing listens there`
  return `correct host and port in ${origin}, or open the network between this machine and the server`
}

function standing({ identity, roundTripMillis }: Examined, facts: ServerFacts): Told {
  const parts = [
    `PostgreSQL ${Math.floor(facts.version / 10_000)}.${facts.version % 10_000}`,
    facts.isStandby ? 'standby' : 'accepts writes',
    ...(identity === undefined ? [] : [`timeline ${identity.timeline}`]),
    ...(roundTripMillis === undefined ? [] : [`${roundTripMillis.toFixed(1)} ms away`]),
    facts.usesTls === true ? 'TLS' : 'no TLS',
  ]
  return { level: 'ok', says: parts.join(', ') }
}

function roleChecks({ server }: Examined, facts: ServerFacts): Told[] {
  const { origin, role } = server
  const checks: Told[] = []
  if (facts.version < OLDEST_VERSION) {
    checks.push({
      level: 'warn',
      says: 'was never tried: it is older than PostgreSQL 14',
      cure: 'upgrade it to 14 or later',
    })
  }
  if (role === 'primary' && facts.isStandby) {
    checks.push({
      level: 'bad',
      says: 'is configured as the primary and is a standby: it refuses every write',
      cure: `set ${origin} to the server that accepts writes`,
    })
  }
  if (role === 'replica' && !facts.isStandby) {
    checks.push({
      level: 'bad',
      says: 'is configured as a replica and is no standby: it is not read',
      cure: `set ${origin} to a standby that follows the primary`,
    })
  }
  if (!facts.isStandby && facts.isReadOnly) {
    checks.push({
      level: 'bad',
      says: 'begins its sessions read-only, so it is not taken for the primary and nothing is written',
      cure: 'set default_transaction_read_only to off: alter system, alter database and alter role can each have set it',
    })
  }
  if (facts.isPooled) {
    checks.push({
      level: 'warn',
      says: 'leads through a pooler: the process that answers is not the one that the connection was made to',
      cure: `set ${origin} to the address of the server itself`,
    })
  }
  return checks
}

function privilegeChecks({ identityRefused }: Examined, { user, mayReadStatistics, isStandby }: ServerFacts): Told[] {
  const checks: Told[] = []
  if (identityRefused !== undefined) {
    checks.push({
      level: 'bad',
      says: `does not tell ${user} who it is (${identityRefused}): no read that must be fresh runs here, and no promotion is seen`,
      cure: `grant execute on function pg_control_system(), pg_control_checkpoint(), pg_control_recovery() to ${user}`,
    })
  }
  if (!mayReadStatistics && isStandby) {
    checks.push({
      level: 'warn',
      says: `${user} may not see the WAL receiver, so a promotion upstream is noticed late`,
      cure: `grant pg_monitor to ${user} (at the primary)`,
    })
  }
  return checks
}

function standbyChecks({ isReceiving }: Examined, facts: ServerFacts): Told[] {
  const checks: Told[] = []
  if (isReceiving === false) {
    checks.push({
      level: 'bad',
      says: 'receives no WAL: it falls behind, and its reads grow old',
      cure: 'look at primary_conninfo and primary_slot_name, and at its log',
    })
  }
  if (!facts.hotStandbyFeedback) {
    checks.push({
      level: 'warn',
      says: 'hot_standby_feedback is off: vacuum at the primary cancels long reads here (40001)',
      cure: 'set hot_standby_feedback = on, if a little more bloat at the primary is fine',
    })
  }
  if (facts.standbyDelayMillis === 0) {
    checks.push({
      level: 'warn',
      says: 'max_standby_streaming_delay is 0: every conflict cancels a read at once',
      cure: 'set max_standby_streaming_delay to 30s or so',
    })
  }
  if (facts.standbyDelayMillis < 0 || facts.standbyDelayMillis > LONG_DELAY_MILLIS) {
    checks.push({
      level: 'warn',
      says: `max_standby_streaming_delay is ${facts.standbyDelayMillis < 0 ? '-1' : `${facts.standbyDelayMillis} ms`}: one long read can hold replay back for as long`,
      cure: 'set max_standby_streaming_delay to 30s or so',
    })
  }
  if (facts.statusIntervalSeconds === 0) {
    checks.push({
      level: 'warn',
      says: 'wal_receiver_status_interval is 0: the primary never learns how far this standby is',
      cure: 'set wal_receiver_status_interval to 10s or less',
    })
  }
  return checks
}

function primaryChecks(_examined: Examined, { synchronousCommit }: ServerFacts): Told[] {
  if (synchronousCommit === 'off') {
    return [
      {
        level: 'warn',
        says: 'synchronous_commit is off: a crash loses commits that were answered, and tokens then name what never was',
        cure: 'set synchronous_commit to on, or to local',
      },
    ]
  }
  if (synchronousCommit !== 'remote_apply') return []
  return [
    { level: 'note', says: 'synchronous_commit is remote_apply: each commit waits until synchronous standbys show it' },
  ]
}

function capacityChecks({ server }: Examined, facts: ServerFacts): Told[] {
  const checks: Told[] = []
  const max = server.config.max ?? DEFAULT_MAX
  const needed = facts.instances * (max + 1)
  if (needed > facts.allowed && !facts.isPooled) {
    checks.push({
      level: 'warn',
      says: `takes ${facts.allowed} connections, and ${facts.instances} instance${facts.instances === 1 ? '' : 's'} with max: ${max} may open ${needed}`,
      cure: `set max to ${Math.max(1, Math.floor(facts.allowed / facts.instances) - 1)} or less, or raise max_connections`,
    })
  }
  const apart = facts.clockMillis - facts.heardAt
  if (Math.abs(apart) > CLOCKS_APART_MILLIS) {
    checks.push({
      level: 'warn',
      says: `its clock is ${Math.round(Math.abs(apart) / 1000)} s ${apart > 0 ? 'ahead of' : 'behind'} this machine's: tokens allow for 60 s between instances`,
      cure: 'set both clocks by NTP',
    })
  }
  return checks
}

function extensionChecks({ extensions }: Examined, isKnownExtension: (name: string) => boolean): Told[] {
  const unknown = extensions.filter((name) => !isKnownExtension(name))
  if (unknown.length === 0) return []
  return [
    {
      level: 'note',
      says: `what the functions of ${unknown.join(', ')} do is not known, so statements that call them need the primary`,
      cure: "say it by the pool's option functions, as { 'schema.name': 'read' }",
    },
  ]
}

/** Whether a server is further away than one of its own region. */
export function isFar({ roundTripMillis }: Examined): boolean {
  return roundTripMillis !== undefined && roundTripMillis > FAR_MILLIS
}
