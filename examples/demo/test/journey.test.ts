import type { FreshnessEvent } from '@headwater/core'
import type { RequestEvent } from '@headwater/fly-proxy'
import { describe, expect, test } from 'vitest'
import { type Answer, type Journey, journeyOf, tellJourney } from '../src/journey.ts'
import type { RegionCode } from '../src/regions.ts'
import type { QueryRecord, Visit } from '../src/visit.ts'

function answer(over: Partial<Answer>): Answer {
  return {
    ...{ kind: 'write', region: 'nrt', sentAt: 1000, totalMs: 250, status: 200, retryAfter: undefined, body: '' },
    ...{ isTokenless: false, ownNote: undefined, home: 'ams' as const },
    ...over,
  }
}

function visit(
  region: RegionCode,
  startedAt: number,
  queries: readonly Partial<QueryRecord>[],
  isReached = true,
): Visit {
  return {
    ...{ requestId: 'r', region, startedAt, endedAt: startedAt + 10, hasReachedHandler: isReached, scope: 1 },
    queries: queries.map((query) => ({
      ...{ label: 'q', node: region, startedAt, endedAt: startedAt + 1, outcome: 'answered' as const },
      ...query,
    })),
  }
}

function event(
  edge: RegionCode,
  hops: readonly { region: RegionCode; ms: number; isReplay?: boolean }[],
): RequestEvent {
  return {
    ...{
      type: 'request',
      requestId: 'r',
      edge,
      servedBy: edge,
      app: 'notes',
      method: 'GET',
      path: '/',
      isUpgrade: false,
    },
    ...{ startedAt: 0, totalMillis: 250, replays: 0, outcome: 'answered' },
    hops: hops.map(({ region, ms, isReplay }) => ({
      ...{ app: 'notes', machine: region, region, purpose: 'first' as const, startedMillis: 0, endedMillis: 1 },
      ...{ roundTripMillis: ms, status: isReplay ? 409 : 200 },
      ...(isReplay && { replay: { hasState: true, isElsewhere: false } }),
    })),
  }
}

function told(
  client: Answer,
  proxy: RequestEvent | undefined,
  visits: readonly Visit[],
  reason: string | undefined,
  freshness?: Partial<FreshnessEvent>,
): Journey {
  const read = { outcome: 'primary', reason: 'behind', waited: 0, node: undefined, scope: 1 } as const
  return journeyOf(client, {
    ...{ event: proxy, visits },
    ...(reason !== undefined && { reason }),
    ...(freshness !== undefined && { freshness: { ...read, ...freshness } }),
  })
}

const handedOver = (): [RequestEvent, Visit[]] => [
  event('nrt', [
    { region: 'nrt', ms: 0, isReplay: true },
    { region: 'ams', ms: 240 },
  ]),
  [visit('nrt', 1001, [{ node: undefined, outcome: 'kept' }]), visit('ams', 1121, [{}])],
]
const nextDoor = (): [RequestEvent, Visit[]] => [event('nrt', [{ region: 'nrt', ms: 0 }]), [visit('nrt', 1001, [{}])]]

describe('a journey', () => {
  test('counts crossings of the request and of its queries, and measures from when the client sent it', () => {
    const replayed = told(
      answer({}),
      event('nrt', [
        { region: 'nrt', ms: 0, isReplay: true },
        { region: 'ams', ms: 240 },
      ]),
      [visit('ams', 1121, [{}, {}]), visit('nrt', 1001, [], false)],
      undefined,
    )
    expect(replayed.crossings).toBe(1)
    expect(replayed.apps.map(({ region, startMs, isReplayed }) => [region, startMs, isReplayed])).toEqual([
      ['nrt', 1, true],
      ['ams', 121, false],
    ])
    const naive = told(
      answer({ kind: 'naive' }),
      event('nrt', [{ region: 'nrt', ms: 0 }]),
      [visit('nrt', 1001, [{ node: 'ams' }, { node: 'ams' }, { node: undefined, outcome: 'kept' }])],
      undefined,
    )
    expect(naive.crossings).toBe(2)
  })

  test.each<[string, Parameters<typeof told>, RegExp]>([
    [
      'a read next door',
      [answer({ kind: 'read' }), event('nrt', [{ region: 'nrt', ms: 0 }]), [visit('nrt', 1001, [{}])], 'read'],
      /^The replica next door in nrt answered\.$/,
    ],
    [
      'a replay before the handler',
      [
        answer({}),
        event('nrt', [
          { region: 'nrt', ms: 0, isReplay: true },
          { region: 'ams', ms: 240 },
        ]),
        [visit('nrt', 1001, [], false), visit('ams', 1121, [{ label: 'insert note' }, { label: 'commit' }])],
        undefined,
      ],
      /before its handler ran\. Handed over to ams: 1 query at the primary, one crossing\.$/,
    ],
    [
      'a write met by a handler',
      [
        answer({ kind: 'view' }),
        event('nrt', [
          { region: 'nrt', ms: 0, isReplay: true },
          { region: 'ams', ms: 240 },
        ]),
        [visit('nrt', 1001, [{}, { node: undefined, outcome: 'kept' }]), visit('ams', 1121, [{}, {}])],
        'write',
      ],
      /read once next door and met a write, which never left nrt\. Handed over to ams: 2 queries/,
    ],
    [
      'a replica that is gone',
      [
        answer({ kind: 'read' }),
        event('nrt', [
          { region: 'nrt', ms: 0, isReplay: true },
          { region: 'ams', ms: 240 },
        ]),
        [visit('nrt', 1001, [{ node: undefined, outcome: 'kept' }]), visit('ams', 1121, [{}])],
        'replica-lost',
      ],
      /^The replica in nrt is gone\. Handed over to ams: 1 query/,
    ],
    [
      'a replay that came back',
      [
        answer({ kind: 'read' }),
        event('nrt', [
          { region: 'nrt', ms: 0, isReplay: true },
          { region: 'nrt', ms: 0 },
        ]),
        [visit('nrt', 1001, [], false), visit('nrt', 2500, [{}])],
        undefined,
      ],
      /^ams did not answer, so the request came back; the replica next door in nrt answered\.$/,
    ],
    [
      'a refusal',
      [answer({ status: 503, retryAfter: '1' }), event('nrt', [{ region: 'nrt', ms: 0 }]), [], undefined],
      /^503: .* from nrt\. Nothing was written\. Retry-After: 1 s\.$/,
    ],
    [
      'a detour',
      [answer({ kind: 'read' }), event('ord', [{ region: 'ord', ms: 0 }]), [visit('ord', 1080, [{}])], 'read'],
      /^nrt is down, so the edge in ord took the request\. The replica next door in ord answered\.$/,
    ],
    [
      'a read that waited, and found the own note',
      [answer({ kind: 'read', ownNote: 'shown' }), ...nextDoor(), 'read', { outcome: 'waited', waited: 23.4 }],
      /^The read waited 23 ms for what this visitor has seen, then the replica next door in nrt answered\. The visitor’s own note is there\.$/,
    ],
    [
      'a read that waited, and found one of two',
      [answer({ kind: 'read' }), ...nextDoor(), 'read', { outcome: 'waited', waited: 1, node: 'replica-1' }],
      /^The read waited 1 ms for what this visitor has seen, then the second replica next door in nrt answered\.$/,
    ],
    [
      'a read on another replica',
      [answer({ kind: 'read' }), ...nextDoor(), 'read', { outcome: 'other-replica' }],
      /^One replica lacks what this visitor has seen; the other one next door in nrt answered\.$/,
    ],
    [
      'a read that waited in vain',
      [answer({ kind: 'read', ownNote: 'shown' }), ...handedOver(), 'behind', { waited: 50.2 }],
      /^No replica in nrt has what this visitor has seen, also after 50 ms \(behind\)\. Handed over to ams: 1 query at the primary, one crossing\. The visitor’s own note is there\.$/,
    ],
    ...(['seen-elsewhere', 'another-timeline', 'lagging'] as const).map(
      (reason): [string, Parameters<typeof told>, RegExp] => [
        `a read that no replica may answer: ${reason}`,
        [answer({ kind: 'read' }), ...handedOver(), reason, { reason }],
        new RegExp(`nrt.* \\(${reason}\\)\\. Handed over to ams`),
      ],
    ),
    [
      'a stale read',
      [answer({ kind: 'read', isTokenless: true, ownNote: 'missing' }), ...nextDoor(), 'read'],
      /answered\. “I saved it, and it is not there”: an older state/,
    ],
    [
      'a read that neither the replica nor the primary can answer',
      [answer({ kind: 'read', status: 503, retryAfter: '1' }), ...nextDoor(), 'behind', { waited: 50 }],
      /^503: No replica in nrt has what this visitor has seen, also after 50 ms \(behind\)\. The primary in ams cannot be reached from nrt\. Retry-After: 1 s\.$/,
    ],
    ['no answer', [answer({ status: undefined }), undefined, [], undefined], /^No answer came/],
  ])('tells of %s', (_name, parts, expected) => {
    expect(tellJourney(told(...parts))).toMatch(expected)
  })
})
