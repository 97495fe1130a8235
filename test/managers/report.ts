import type { Trial } from './trial.ts'

export const TABLE_HEAD = `| through | what happened | leader | requests | failed | longest wait | without writes | writes came there after its first sign (ams, nrt) | the first was acknowledged after | acknowledged | lost | doubled |
| ------- | ------------- | ------ | -------: | -----: | -----------: | -------------: | ---: | ---: | -------: | ---: | ------: |`

/** Whether nothing happened that never may, and the writes of both regions found the new primary. */
export function isGood({ lost, doubled, followedMillis }: Trial): boolean {
  return lost === 0 && doubled === 0 && followedMillis.ams !== undefined && followedMillis.nrt !== undefined
}

export function rowOf(way: string, trial: Trial): string {
  const { happening, from, to, requests, failed, slowestMillis, withoutWritesMillis } = trial
  const cells = [
    way,
    happening,
    `${from} → ${to}`,
    requests,
    describeFailures(trial, failed.length),
    seconds(slowestMillis),
    seconds(withoutWritesMillis),
    both(trial.followedMillis),
    both(trial.acknowledgedMillis),
    trial.acknowledged,
    trial.lost,
    trial.doubled,
  ]
  return `| ${cells.join(' | ')} |`
}

function describeFailures({ failed }: Trial, count: number): string {
  const kinds = new Map<string, number>()
  for (const { status, kind } of failed) {
    const name = `${kind} ${status ?? 'no answer'}`
    kinds.set(name, (kinds.get(name) ?? 0) + 1)
  }
  const list = [...kinds].map(([name, times]) => `${times} × ${name}`).join(', ')
  return list === '' ? '0' : `${count} (${list})`
}

function seconds(time: number): string {
  return `${(time / 1_000).toFixed(1)} s`
}

function both({ ams, nrt }: Trial['followedMillis']): string {
  return `${millis(ams)}, ${millis(nrt)}`
}

function millis(time: number | undefined): string {
  return time === undefined ? 'never' : `${Math.round(time)} ms`
}
