export { type DrainOptions, drainOnSignal } from './health/drain-on-signal.ts'
export type { HealthOptions, PoolOfHealth } from './health/health-options.ts'
export { replayUpgrade, type UpgradeOptions } from './life/replay-upgrade.ts'
export { type Handshake, type MessageOptions, type RunMessage, scopePerMessage } from './life/scope-per-message.ts'
export type { EarlyReplay, HeadwaterOptions, PoolOfApp, Refusals } from './options.ts'
export { caddy } from './replay/caddy.ts'
export { envoy } from './replay/envoy.ts'
export { type FlyReplayOptions, flyReplay } from './replay/fly-replay.ts'
export { type ForwardOptions, forward } from './replay/forward.ts'
export { type HaproxyOptions, haproxy } from './replay/haproxy.ts'
export { type NginxOptions, nginx } from './replay/nginx.ts'
export { type RedirectOptions, redirect } from './replay/redirect.ts'
export type { RegionAddresses } from './replay/region-addresses.ts'
export type {
  AnsweringTarget,
  Arrival,
  ForwardingTarget,
  OrderedRequest,
  ReplayAnswer,
  ReplayOrder,
  ReplayTarget,
} from './replay/replay-target.ts'
export type { RequestFacts } from './request/request-facts.ts'
export type { TokenCarrierOptions } from './token/token-options.ts'
export type { StoredTokens, TokenStoreOptions } from './token/token-store.ts'
