import { OptionsInvalid } from '@headwater/core'
import { proxyReplay } from './proxy-replay.ts'
import type { AnsweringTarget } from './replay-target.ts'

/** How nginx is told to replay. */
export interface NginxOptions {
  /**
   * `error_page`: nginx acts on our status, 470 (`error_page 470 = @primary`). `accel`: on `X-Accel-Redirect: @primary`, where the app's
   * location may not intercept errors.
   *
   * @default 'error_page'
   */
  readonly by?: 'error_page' | 'accel' | undefined
}

/**
 * Replays through nginx. The configuration that belongs to it is `examples/proxies/nginx/nginx.conf`.
 *
 * @example headwater({ pool, replayTarget: nginx() })
 * @throws {OptionsInvalid} when `by` is unknown.
 */
export function nginx({ by = 'error_page' }: NginxOptions = {}): AnsweringTarget {
  if (by === 'error_page') return proxyReplay('nginx', () => ({}))
  if (by === 'accel') return proxyReplay('nginx', () => ({ status: 200, headers: { 'x-accel-redirect': '@primary' } }))
  throw new OptionsInvalid('by', `${JSON.stringify(by)} is unknown; expected error_page or accel`)
}
