import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askOnce } from './ask-once.ts'
import { findProgram } from './find-program.ts'
import { Front, type FrontServer } from './front.ts'
import type { Account } from './program.ts'

/** Whether this machine has one; where it has not, the tests that need it are skipped, and say so. */
export const hasHaproxy: boolean = findProgram('haproxy') !== undefined

/** Whom it leads to: to every server that this check finds fit, in turns. */
export interface HaproxyCheck {
  readonly lines: readonly string[]
  /** Where a server is asked, when that is not its own port. */
  readonly portOf?: (server: FrontServer) => number
}

const hex = (...parts: readonly (string | Buffer)[]): string =>
  Buffer.concat(parts.map((part) => Buffer.from(part))).toString('hex')

/** A message of the protocol with its length; `kind` is empty for the startup. */
function message(kind: string, body: Buffer): string {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return hex(kind, length, body)
}

const STARTUP = message('', Buffer.from('\0\x03\0\0user\0postgres\0database\0postgres\0\0', 'latin1'))
const ASK = message('Q', Buffer.from('select pg_is_in_recovery()\0'))
const TERMINATE = message('X', Buffer.alloc(0))
const READY = message('Z', Buffer.from('I'))
/** A row with one column of one character. */
const rowOf = (value: 't' | 'f'): string =>
  message('D', Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 1]), Buffer.from(value)]))

/** Asks each server by SQL; only those that answer so are fit. */
function whoSays(isInRecovery: 't' | 'f'): HaproxyCheck {
  return {
    lines: [
      'option tcp-check',
      'tcp-check connect',
      `tcp-check send-binary ${STARTUP}`,
      `tcp-check expect binary ${READY}`,
      `tcp-check send-binary ${ASK}`,
      `tcp-check expect binary ${rowOf(isInRecovery)}`,
      `tcp-check send-binary ${TERMINATE}`,
    ],
  }
}

/** Leads to the primary, as it says itself. */
export const TO_PRIMARY: HaproxyCheck = whoSays('f')
/** Leads to the standbys, in turns. */
export const TO_STANDBYS: HaproxyCheck = whoSays('t')
/** Leads to servers that take sessions, whatever they are. */
export const TO_ANY: HaproxyCheck = { lines: ['option pgsql-check user postgres'] }

/** HAProxy before servers, as Patroni's documentation has it: sessions with a server that is not fit any more are cut off. */
export function startHaproxy(servers: readonly FrontServer[], check: HaproxyCheck, user: Account): Promise<Front> {
  const { lines, portOf } = check
  return Front.start(
    {
      name: 'haproxy',
      endedBy: 'TERM',
      isReady: async (url) => (await askOnce(url, 'select 1')).length === 1,
      configure: async (folder, port) => {
        const file = join(folder, 'haproxy.cfg')
        const text = [
          'global',
          '  maxconn 400',
          'defaults',
          '  mode tcp',
          '  timeout connect 2s',
          '  timeout client 30m',
          '  timeout server 30m',
          '  timeout check 1s',
          'listen front',
          `  bind 127.0.0.1:${port}`,
          ...lines.map((line) => `  ${line}`),
          '  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions',
          ...servers.map(
            (server) =>
              `  server ${server.name} 127.0.0.1:${server.port} check${portOf === undefined ? '' : ` port ${portOf(server)}`}`,
          ),
        ]
        await writeFile(file, `${text.join('\n')}\n`)
        return [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file]
      },
    },
    user,
  )
}
