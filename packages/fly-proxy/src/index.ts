export { greatCircleKm, type Latency, realRoundTripMillis, routeKm } from './distance/latency.ts'
export { createFlyProxy, type Edge, type FlyProxy } from './fly-proxy.ts'
export type {
  AppOptions,
  FlyProxyOptions,
  MachineOptions,
  ReplayCacheRule,
  UndocumentedOptions,
} from './options/options.ts'
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
} from './report/events.ts'
export { FlyProxyError, type FlyProxyErrorCode } from './report/fly-proxy-error.ts'
export type { FlyProxyFaults } from './world/faults.ts'
