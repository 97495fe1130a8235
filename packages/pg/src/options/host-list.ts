import { OptionsInvalid } from '@headwater/core'
import { isKeyValueForm, parseKeyValues } from './key-values.ts'

/** The values of libpq's `target_session_attrs`, and whether a server that takes writes can meet each. */
const SESSION_ATTRIBUTES: Readonly<Record<string, boolean>> = {
  any: true,
  'read-write': true,
  primary: true,
  'prefer-standby': true,
  'read-only': false,
  standby: false,
}

/** What libpq takes from a URL to choose a server: the pool asks all of them instead. pg would ignore these. */
const CHOICES: ReadonlySet<string> = new Set(['target_session_attrs', 'load_balance_hosts'])
const PLACES: ReadonlySet<string> = new Set(['host', 'hostaddr', 'port'])

/** Scheme, authority, path, query. What follows `#` is ignored, as by pg. */
const URL_FORM = /^(postgres(?:ql)?:\/\/)([^/?#]*)([^?#]*)(?:\?([^#]*))?/i
/** A host of a list and its port: `db`, `db:5433`, `[::1]:5433`, or a Unix socket's folder. */
const HOST_AND_PORT = /^(\[[^\]]+\]|[^:[\]]*)(?::(\d*))?$/
/** SQLAlchemy's form of a host in the query. */
const HOST_WITH_PORT = /^([^:/[\]]+|\[[^\]]+\]):(\d+)$/

/** A connection string in its parts. */
interface Parts {
  /** `postgres://user:password@`, as given. */
  readonly before: string
  /** The path, as given: `/database`. */
  readonly after: string
  readonly hosts: readonly string[]
  readonly ports: readonly string[]
  /** Everything else of the query, as given: `sslmode=require`. */
  readonly rest: readonly string[]
  /** The server that libpq would look for. */
  readonly attributes: string | undefined
}

/**
 * One connection string for each host of a libpq-style list (`postgres://a:5432,b:5433/db`, `?host=a,b&port=5432`, `host=a,b`); the
 * string itself where it names one in a form that pg reads.
 *
 * `target_session_attrs` and `load_balance_hosts` are dropped: the pool asks each server what it is. `mustWrite` says that one of
 * them has to take writes.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 *
 * @throws {OptionsInvalid} for a list that libpq refuses. Its message shows nothing of the string.
 */
export function eachHost(option: string, connectionString: string, mustWrite: boolean): readonly string[] {
  const parts = partsOf(option, connectionString)
  if (parts === undefined) return [connectionString]
  checkAttributes(option, parts.attributes, mustWrite)
  const { hosts, ports, before, after, rest } = parts
  if (hosts.length < 2 && !isKeyValueForm(connectionString)) return [connectionString]
  if (hosts.some((host) => host === '') && hosts.length > 1) {
    throw new OptionsInvalid(
      option,
      `lists ${hosts.length} hosts, and one of them has no name; name it, or take out the comma`,
    )
  }
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new OptionsInvalid(
      option,
      `names ${hosts.length} hosts and ${ports.length} ports; expected one port for all of them, or one for each`,
    )
  }
  const query = rest.length === 0 ? '' : `?${rest.join('&')}`
  const all = hosts.map((host, index) => {
    const port = (ports.length === 1 ? ports[0] : ports[index]) ?? ''
    return `${before}${toUrlHost(host)}${port === '' ? '' : `:${port}`}${after}${query}`
  })
  return [...new Set(all)]
}

function partsOf(option: string, connectionString: string): Parts | undefined {
  if (isKeyValueForm(connectionString)) return partsOfKeyValues(option, parseKeyValues(option, connectionString))
  const [, scheme, authority = '', after = '', query = ''] = URL_FORM.exec(connectionString) ?? []
  if (scheme === undefined) return undefined
  const credentials = authority.slice(0, authority.lastIndexOf('@') + 1)
  const places = authority.slice(credentials.length).split(',')
  const given = new Map<string, string[]>()
  const rest: string[] = []
  let attributes: string | undefined
  for (const parameter of query.split('&')) {
    if (parameter === '') continue
    const [name = '', value = ''] = splitOnce(parameter, '=')
    if (PLACES.has(name)) given.set(name, [...(given.get(name) ?? []), ...decode(option, value).split(',')])
    else if (!CHOICES.has(name)) rest.push(parameter)
    else if (name === 'target_session_attrs') attributes = decode(option, value)
  }
  const inAuthority = places.map((place) => hostAndPort(option, place))
  const inQuery = given.get('host') ?? given.get('hostaddr')
  const named = inQuery?.map((host) => HOST_WITH_PORT.exec(host))
  const hosts = inQuery?.map((host, index) => named?.[index]?.[1] ?? host) ?? inAuthority.map(({ host }) => host)
  const ownPorts = named?.some((found) => found !== null) === true ? named.map((found) => found?.[2] ?? '') : undefined
  const ports = given.get('port') ?? ownPorts ?? inAuthority.map(({ port }) => port)
  return { before: scheme + credentials, after, hosts, ports, rest, attributes }
}

function partsOfKeyValues(option: string, pairs: ReadonlyMap<string, string>): Parts {
  const user = encodeURIComponent(pairs.get('user') ?? '')
  const password = pairs.get('password')
  const credentials = password === undefined ? user : `${user}:${encodeURIComponent(password)}`
  const own: ReadonlySet<string> = new Set(['user', 'password', 'dbname', ...PLACES, ...CHOICES])
  const rest = [...pairs].flatMap(([key, value]) => (own.has(key) ? [] : [`${key}=${encodeURIComponent(value)}`]))
  const ports = (pairs.get('port') ?? '').split(',').map((port) => port.trim())
  if (ports.some((port) => !/^\d*$/.test(port))) throw new OptionsInvalid(option, 'has a port that is no number')
  return {
    before: `postgres://${credentials === '' ? '' : `${credentials}@`}`,
    after: `/${encodeURI(pairs.get('dbname') ?? '')}`,
    hosts: (pairs.get('host') ?? pairs.get('hostaddr') ?? '').split(',').map((host) => host.trim()),
    ports,
    rest,
    attributes: pairs.get('target_session_attrs'),
  }
}

function hostAndPort(option: string, place: string): { readonly host: string; readonly port: string } {
  const found = HOST_AND_PORT.exec(place)
  // What pg makes of one host is pg's to say; only a list is ours.
  if (found === null) return { host: place, port: '' }
  const [, host = '', port = ''] = found
  if (Number(port) > 65_535) throw new OptionsInvalid(option, 'has a port above 65535')
  return { host, port }
}

/** The name as it stands in a URL: an IPv6 address in brackets, the folder of a Unix socket encoded. */
function toUrlHost(host: string): string {
  if (host.startsWith('/') || host.startsWith('@')) return encodeURIComponent(host)
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function checkAttributes(option: string, attributes: string | undefined, mustWrite: boolean): void {
  if (attributes === undefined) return
  const canWrite = Object.hasOwn(SESSION_ATTRIBUTES, attributes) ? SESSION_ATTRIBUTES[attributes] : undefined
  if (canWrite === undefined) {
    const known = Object.keys(SESSION_ATTRIBUTES).join(', ')
    throw new OptionsInvalid(
      option,
      `has the target_session_attrs ${JSON.stringify(attributes)}; expected one of ${known}`,
    )
  }
  if (mustWrite && !canWrite) {
    throw new OptionsInvalid(
      option,
      `asks for servers that take no writes (target_session_attrs=${attributes}), and one of these has to; leave it out, or list them in replicas`,
    )
  }
}

function decode(option: string, text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new OptionsInvalid(option, 'has a "%" in its query that encodes nothing; write it as %25')
  }
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
