#!/usr/bin/env node
import { readCommandLine, usage } from './command-line.ts'
import { createFlyProxy } from './fly-proxy.ts'
import type { RequestEvent } from './report/events.ts'
import { FlyProxyError } from './report/fly-proxy-error.ts'

async function main(): Promise<void> {
  const { options, isQuiet, wantsHelp } = readCommandLine(process.argv.slice(2))
  if (wantsHelp) {
    console.log(usage)
    return
  }
  const proxy = createFlyProxy(options)
  proxy.subscribe((event) => {
    if (event.type === 'log')
      console.error(`[${event.code ?? 'log'}] ${event.app}: ${event.message} (${event.requestId})`)
    else if (event.type === 'request' && !isQuiet) console.log(line(event))
  })
  await proxy.listen()
  for (const { region, url } of proxy.edges) console.log(`edge ${region} ${url}`)
  const stop = (): void => {
    proxy.close().catch(fail)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

function line(event: RequestEvent): string {
  const way = event.hops.map(
    ({ machine, status, connectFailure }) => `${machine} ${status ?? connectFailure?.reason ?? 'broke off'}`,
  )
  const end = `${event.status ?? event.outcome}${event.errorCode === undefined ? '' : ` ${event.errorCode}`}`
  return `${event.edge} ${event.method} ${event.path} > ${way.join(' > ')} > ${end} in ${Math.round(event.totalMillis)} ms`
}

function fail(error: unknown): void {
  console.error(error instanceof FlyProxyError ? error.message : error)
  if (error instanceof FlyProxyError) console.error(usage)
  process.exitCode = 1
}

main().catch(fail)
