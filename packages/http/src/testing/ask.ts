import type { Topology } from '@headwater/core'
import type { HeadwaterOptions } from '../options.ts'
import type { AppUnderTest, HttpAdapter, RouteUnderTest } from './app-under-test.ts'
import { away, home, SECRET } from './data-layer.ts'
import { type SendOptions, type Sent, send } from './send.ts'

/** The one route of an app; a GET of `/thing`, unless it says otherwise. */
export type AskedRoute = Partial<RouteUnderTest> & Pick<RouteUnderTest, 'handle'>

/** How the app is set up; away from home and without early replays, unless it says otherwise. */
export interface AskSettings extends Pick<AppUnderTest, 'parsesBody' | 'catchesErrors'> {
  readonly options?: Partial<HeadwaterOptions>
  readonly topology?: Topology
  /** Follows the path: `?a=1`. */
  readonly query?: string
}

/** Two ways to ask an app with one route. */
export interface Asker {
  /** Starts the app and sends it requests, one after the other. */
  ask(route: AskedRoute, requests?: SendOptions | readonly SendOptions[], settings?: AskSettings): Promise<Sent[]>
  askOnce(route: AskedRoute, request?: SendOptions, settings?: AskSettings): Promise<Sent>
}

/** Asks apps that are built with this adapter. */
export function askThrough(adapter: HttpAdapter): Asker {
  async function ask(
    route: AskedRoute,
    requests: SendOptions | readonly SendOptions[] = {},
    settings: AskSettings = {},
  ): Promise<Sent[]> {
    const { method = 'GET', path = '/thing' } = route
    const { options, topology = away, query = '', ...rest } = settings
    await using app = await adapter.start({
      options: { pool: { topology }, secret: SECRET, earlyReplay: false, ...options },
      routes: [{ method, path, handle: route.handle }],
      ...rest,
    })
    const answers: Sent[] = []
    for (const one of Array.isArray(requests) ? requests : [requests]) {
      answers.push(await send(app.port, path + query, { method, ...one }))
    }
    return answers
  }

  async function askOnce(route: AskedRoute, request: SendOptions = {}, settings: AskSettings = {}): Promise<Sent> {
    const [answer] = await ask(route, request, settings)
    if (answer === undefined) throw new Error('the app gave no answer')
    return answer
  }

  return { ask, askOnce }
}

/** Asks an app at home with one handler, as the suites of tokens do. */
export function askAtHomeThrough(
  adapter: HttpAdapter,
): (
  handle: RouteUnderTest['handle'],
  request?: SendOptions,
  options?: Partial<HeadwaterOptions>,
  more?: Pick<AppUnderTest, 'catchesErrors' | 'isTls'>,
) => Promise<Sent> {
  return async function ask(handle, request = {}, options = {}, more = {}) {
    await using app = await adapter.start({
      options: { pool: { topology: home }, secret: SECRET, earlyReplay: false, ...options },
      routes: [{ method: 'GET', path: '/thing', handle }],
      ...more,
    })
    return await send(app.port, '/thing', request)
  }
}
