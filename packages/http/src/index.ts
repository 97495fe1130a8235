export type { EarlyReplay, HeadwaterOptions, PoolOfApp, Refusals } from './options.ts'
export { type FlyReplayOptions, flyReplay } from './replay/fly-replay.ts'
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
