export { type FlyReplayOptions, flyReplay } from './fly-replay.ts'
export type { HeadwaterOptions } from './options.ts'
export type { Arrival, ReplayAnswer, ReplayOrder, ReplayTarget } from './replay-target.ts'
export type { RequestFacts } from './request-facts.ts'
