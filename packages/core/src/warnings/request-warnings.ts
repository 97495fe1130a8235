/** What only requests, writes and other work show. */
export const REQUEST_WARNINGS = {
  HEADWATER_WRITE_OUTSIDE_REQUEST: ({ region, primaryRegion }: { region: string; primaryRegion: string }): string =>
    `a write went from ${region} straight to the primary in ${primaryRegion}, outside of any request, so nothing is replayed and no client gets a token. In a web app: is headwater({ pool }) in use, and before the routes? In a job this is right: say so by \`writesOutsideRequest: 'direct'\`, or run the job in ${primaryRegion}.`,

  HEADWATER_PRIMARY_REGION_SILENT: ({ region }: { region: string }): string =>
    `a replay to ${region} came back: no instance of this app took it there. Reads go on, and writes are refused with 503. PRIMARY_REGION, which is ${region} here, should name the region where the primary and at least one running instance of this app are.`,

  HEADWATER_REGIONS_DISAGREE: ({ region, primaryRegion }: { region: string; primaryRegion: string }): string =>
    `a request was replayed to this instance, which is in ${region} and holds ${primaryRegion} for the primary's region, so it cannot be written here either. PRIMARY_REGION should be the same in every region, and name the one where the primary runs.`,

  HEADWATER_CLOCKS_APART: ({ what, seconds }: { what: string; seconds: number }): string =>
    `${what} is ${seconds} s ${seconds < 0 ? 'behind' : 'ahead of'} this machine's clock, and tokens allow for 60 s: clients may not see their own writes. Set both clocks by NTP (chrony, systemd-timesyncd). If they are right, somebody has sent an old request again.`,

  HEADWATER_SECRETS_DIFFER: ({ carrier }: { carrier: string }): string =>
    `a ${carrier} of Headwater's form was made with none of this process's secrets, and is not believed: give every region and every instance the same HEADWATER_SECRET, and keep an old one in the list for as long as its tokens live. If they all have the same, a client has made it up. The channel headwater:unverified counts on.`,

  HEADWATER_NO_PROXY: ({ target }: { target: string }): string =>
    `a request was answered with a ${target} replay, but no replaying proxy seems to be in front of this app: the client sees a raw 409. Send requests through the proxy; on one machine, @headwater/fly-proxy is one; for another proxy, set \`replayTarget\`.`,

  HEADWATER_REGION_WITHOUT_ADDRESS: ({ target, region }: { target: string; region: string }): string =>
    `${target}() knows no address for the region ${region}, so no request can be sent there. Add ${region} to its option \`regions\`.`,

  HEADWATER_REPLAY_CACHED: (_facts: Readonly<Record<string, never>>): string =>
    "a request came to the primary's region by the proxy's replay cache (fly-replay-cache-status: hit): reads of its users come here as well, and nothing shows that they were replayed. Take the replay_cache rules out of fly.toml.",

  HEADWATER_NO_RESPOND: ({ handlers }: { handlers: number }): string =>
    `${handlers} handlers have ended, and the HTTP adapter has not called respond() for any of them: writes are not replayed and tokens are not sent; call \`await life.respond(head)\` after \`await life.run(handler)\`.`,

  HEADWATER_ALL_LATE: ({ maxLag, answer }: { maxLag: string; answer: 'wait' | 'share' | 'stale' }): string =>
    `every replica next door lags more than maxLag (${maxLag}): ${
      {
        wait: 'reads go to the primary, as many at once as primaryReads allows',
        share: 'a share of the reads goes to the primary, and the others get an older state, up to lateLimit',
        stale: 'reads get an older state, up to lateLimit',
      }[answer]
    }. Find out what holds the replicas up; the option allLate says who answers meanwhile.`,

  HEADWATER_TOKEN_STORE: ({ action, problem }: { action: 'load' | 'save'; problem: string }): string =>
    `token.${action} failed (${problem}), so ${
      action === 'load'
        ? 'its requests read at the primary'
        : "other clients of the same user may miss its request's writes"
    }. Catch errors in your own function to count them.`,

  HEADWATER_BACKGROUND: ({
    name,
    outcome,
    problem,
  }: {
    name: string | undefined
    outcome: 'failed' | 'abandoned'
    problem: string
  }): string =>
    `background work${name === undefined ? '' : ` (${name})`} ${outcome === 'failed' ? 'has failed' : 'was given up'}: ${problem}. Nobody waits for it, so nobody else is told: give inBackground() or configureBackground() an onError. The channel headwater:background tells of each.`,

  HEADWATER_STALE_READ: ({ table, server, writer }: { table: string; server: string; writer: string }): string =>
    `${JSON.stringify(table)} was read on ${server} although ${writer} has written it, so the read may miss that write. Remove withReplica() or the weaker consistency here, or read inside withPrimary().`,
} as const
