import { type HeaderList, headerOf } from '../http/headers.ts'
import type { Target } from './target.ts'

const list = (value: string): string[] =>
  value
    .split(',')
    .map((item) => item.trim().toLowerCase())
    .filter((item) => item !== '')

/**
 * The first target of a request, from the headers with which a client may steer it. The order of precedence is our choice,
 * since Fly documents none: force-instance, force-region, prefer-instance, prefer-region, nearest.
 */
export function firstTarget(app: string, headers: HeaderList): Target {
  const instance = headerOf(headers, 'fly-force-instance-id')?.trim()
  if (instance) return { app, instance }
  const forced = list(headerOf(headers, 'fly-force-region') ?? '')
  if (forced.length > 0) return { app, regions: forced }
  const preferred = list(headerOf(headers, 'fly-prefer-region') ?? '')
  const regions = preferred.length > 0 ? { regions: [...preferred, 'any'] } : {}
  const preferInstance = headerOf(headers, 'fly-prefer-instance-id')?.trim()
  return preferInstance ? { app, preferInstance, ...regions } : { app, ...regions }
}
