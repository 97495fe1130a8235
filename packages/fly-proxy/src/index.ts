export { FlyProxyError, type FlyProxyErrorCode } from './errors.ts'
export type {
  Hop,
  HopReplay,
  LogEvent,
  MachineEvent,
  ProxyErrorCode,
  ProxyEvent,
  ProxyListener,
  RegionEvent,
  RequestEvent,
} from './events.ts'
export { createFlyProxy, type Edge, type FlyProxy, type FlyProxyFaults } from './fly-proxy.ts'
export { greatCircleKm, type Latency, realRoundTrip, routeKm } from './latency.ts'
export type { AppOptions, FlyProxyOptions, MachineOptions, ReplayCacheRule, UndocumentedOptions } from './options.ts'
