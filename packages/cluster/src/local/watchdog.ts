import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { commandEnvironment } from '../machine/run-command.ts'

/**
 * Cleans up when our process could not. It waits until its standard input closes, which happens when our process ends in any
 * way, SIGKILL included. Then it stops the servers in $1 and removes every path that it was given.
 * It is a shell script because a shell starts in 2 ms, needs 1 MB, and exists on every Unix.
 */
const script = `
trap '' HUP INT TERM
cat >/dev/null
root=$1
command_of() { ps -o command= -p "$1" 2>/dev/null || tr '\\0' ' ' <"/proc/$1/cmdline" 2>/dev/null; }
server_pids() {
  for file in "$root"/*/data/postmaster.pid; do
    pid=$(head -n 1 "$file" 2>/dev/null) || continue
    case $pid in ''|*[!0-9]*) continue ;; esac
    # A stale file may name a process that is somebody else's by now.
    case $(command_of "$pid") in *"$root"*) echo "$pid" ;; esac
  done
}
memory=$(for file in "$root"/*/data/postmaster.pid; do sed -n '7s/^ *[0-9]*  *//p' "$file" 2>/dev/null; done)
asked=
round=0
while [ $round -lt 200 ]; do
  pids=$(server_pids)
  if [ -z "$pids" ]; then
    rm -rf "$@" 2>/dev/null
    # What is still there was just starting or being written: look again.
    [ -e "$root" ] || break
  elif [ $round -ge 140 ]; then
    # A server needs 5 s to lose patienceMillis with a frozen child; after 7 s we lose ours.
    kill -KILL $pids 2>/dev/null
  elif [ "$pids" != "$asked" ]; then
    kill -QUIT $pids 2>/dev/null
    asked=$pids
  fi
  round=$((round + 1))
  sleep 0.05
done
for id in $memory; do ipcrm -m "$id" 2>/dev/null; done
rm -rf "$@" 2>/dev/null
exit 0
`

/** A small process that outlives ours just long enough to stop the servers and remove their folders. */
export class Watchdog {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Starts to watch. Call it before anything is created, so that nothing can be left behind. */
  static async start(root: string, ...otherPaths: readonly string[]): Promise<Watchdog> {
    const child = spawn('/bin/sh', ['-c', script, 'headwater-cluster-watchdog', root, ...otherPaths], {
      // A session of its own: a Ctrl-C in the terminal reaches us, not the watchdog.
      detached: true,
      cwd: '/',
      env: commandEnvironment,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    await once(child, 'spawn')
    child.on('error', () => {})
    child.stdin.on('error', () => {})
    // A forgotten stop() must not keep the program alive: it ends, and the watchdog does the rest.
    child.unref()
    if (child.stdin instanceof Socket) child.stdin.unref()
    return new Watchdog(child)
  }

  /** Lets it clean up now, and waits until it has ended. */
  async release(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.ref()
    this.#child.stdin?.end()
    await exit
  }
}
