/** What options and environment alone show. */
export const WIRING_WARNINGS = {
  HEADWATER_NO_REGION: ({ primaryRegion, isOnFly }: { primaryRegion: string | undefined; isOnFly: boolean }): string =>
    `${isOnFly ? 'this process runs on Fly, and FLY_REGION is not set' : `the primary is in ${primaryRegion ?? 'a named region'}, and nothing says in which region this process is`}: so it counts as at home, replays nothing, and sends every write straight to the primary, however far that is. Set FLY_REGION, or \`region\`, to the region where this process runs.`,

  HEADWATER_NO_PRIMARY_REGION: ({ region }: { region: string }): string =>
    `this process is in ${region}, and nothing says where the primary is: so it counts as at home, replays nothing, and sends every query to the primary, however far that is. Set PRIMARY_REGION (\`primary_region\` in fly.toml), or \`primary.region\`.`,

  HEADWATER_NO_REPLICA: ({ region, primaryRegion }: { region: string; primaryRegion: string }): string =>
    `this process is in ${region}, its primary in ${primaryRegion}, and no replica is known here: every request that reads is replayed there. Set DATABASE_REPLICA_URL, or \`replicas\`; \`replicas: []\` says that there are none.`,

  HEADWATER_NO_LOCAL_REPLICA: ({
    region,
    primaryRegion,
    regions,
    nearest,
  }: {
    region: string
    primaryRegion: string | undefined
    regions: string
    nearest: string | undefined
  }): string =>
    `this process is in ${region}, and all its replicas are elsewhere (${regions}), so reads leave this region, for ${primaryRegion ?? 'the primary'} or the nearest of them.${nearest === undefined ? '' : ` ${nearest} is nearer than the primary.`} Set DATABASE_REPLICA_URL, or add a replica with \`region: '${region}'\`; one without a \`region\` is read from everywhere.`,

  HEADWATER_NO_SECRET: (_facts: Readonly<Record<string, never>>): string =>
    'there are replicas and no HEADWATER_SECRET, so a client reads its own writes at this process only: every other instance ignores its tokens. Set HEADWATER_SECRET to the same random value in every instance (openssl rand -base64 32).',

  HEADWATER_BODY_LIMITS: ({ limit, proxyLimit }: { limit: number; proxyLimit: number }): string =>
    `bodyLimitBytes is ${limit}, and Fly's proxy replays bodies of up to ${proxyLimit} bytes only: a larger write away from home ends in a 502. Set bodyLimitBytes to ${proxyLimit} or less.`,

  HEADWATER_TWO_COPIES: ({ name, first, second }: { name: string; first: string; second: string }): string =>
    `two copies of ${name} are loaded: ${first} and ${second}. ${name === 'pg' ? 'What is set on one (pg.types, pg.defaults) does not count in the other, which this pool may use.' : 'Their scopes are shared, their settings and memories are not.'} Let every package depend on one version (npm ls ${name}; npm dedupe, or overrides in package.json).`,
} as const
