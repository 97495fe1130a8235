import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { bin, run } from './run.ts'

const LOCK = 'select *\nfrom orders\twhere id = 1\nfor update'

it('prints the verdict, carets under the token, and the routes', async () => {
  const { status, output, errors } = await run(['explain', 'select * from orders for update'])
  expect({ status, errors }).toEqual({ status: 0, errors: '' })
  const lines = output.split('\n')
  expect(lines[0]).toBe('write (row-lock)  It locks rows, which only the primary can do.')
  expect(lines[2]).toBe('1 | select * from orders for update')
  expect(lines[3]).toBe('                         ^^^^^^^^^^')
  expect(output).toMatch(/^away, in a request +replay +replay$/m)
  expect(output).toMatch(/^at home +primary +primary$/m)
})

it('reads standard input, with - and without', async () => {
  for (const args of [['explain'], ['explain', '-']]) {
    const { status, output } = await run([...args, '--json'], { input: LOCK })
    expect(status).toBe(0)
    expect(JSON.parse(output)).toMatchObject({ access: 'write', token: 'for update', position: { line: 3, column: 1 } })
  }
})

it('reads a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-cli-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'q.sql'), LOCK)
  const { output } = await run(['explain', '--file', join(folder, 'q.sql')])
  expect(output).toContain('3 | for update\n    ^^^^^^^^^^\n')
})

it('prints JSON with every kind of routing and place', async () => {
  const { output } = await run(['explain', '--json', 'select my_function(1)'])
  const { routes, ...rest } = JSON.parse(output) as { routes: { place: string; routing: string; route: string }[] }
  expect(rest).toEqual({
    access: 'unknown',
    reason: 'unseen-function',
    sentence: expect.stringMatching(/^It calls a function whose effect is not known/),
    token: 'my_function',
    position: { offset: 7, line: 1, column: 8 },
    functions: ['my_function'],
    statements: 1,
    note: null,
    pooler: null,
  })
  expect(routes.map(({ place, routing, route }) => `${place}, ${routing}: ${route}`)).toEqual([
    'home, automatic: primary',
    'home, opt-in: primary',
    'away in a request, automatic: replay',
    'away in a request, opt-in: replay',
    'away outside a request, automatic: direct',
    'away outside a request, opt-in: direct',
  ])
})

it.for([
  ['select 1', 0],
  ['select my_function()', 1],
  ['set work_mem = 1', 1],
  ['delete from t', 1],
] as const)('--assert read on %s ends with %i', async ([sql, status]) => {
  const outcome = await run(['explain', '--assert', 'read', sql])
  expect(outcome.status).toBe(status)
  expect(outcome.errors).toMatch(status === 0 ? /^$/ : /^headwater: it is not proven to be a read/)
  expect(outcome.output).not.toBe('')
})

it.for([
  [[], /no command was given/],
  [['judge'], /"judge" is not a command/],
  [['explain', 'select', '1'], /put quotes around/],
  [['explain', '--asert', 'read', 'select 1'], /--asert/],
  [['explain', '--assert', 'write', 'select 1'], /--assert "write" is unknown/],
  [['explain', '--file', '/no/such/file.sql'], /could not be read: ENOENT/],
  [['explain', '--file', 'a.sql', 'select 1'], /give one of them/],
] as const)('what cannot be asked ends with 2: %j', async ([args, message]) => {
  const { status, output, errors } = await run(args)
  expect(status).toBe(2)
  expect(output).toBe('')
  expect(errors).toMatch(message)
  expect(errors).not.toContain('    at ')
})

it('--help prints the usage, and ends with 0', async () => {
  const { status, output } = await run(['--help'])
  expect(status).toBe(0)
  expect(output).toMatch(/^Usage: headwater explain/)
})

it('prints colour when told to, and never by itself in a pipe', async () => {
  const sequence = '\u001b['
  expect((await run(['explain', 'select 1'])).output).not.toContain(sequence)
  expect((await run(['explain', 'select 1'], { environment: { FORCE_COLOR: '1' } })).output).toContain(sequence)
  expect((await run(['explain', 'select 1'], { environment: { FORCE_COLOR: '0' } })).output).not.toContain(sequence)
  const json = await run(['explain', '--json', 'select 1'], { environment: { FORCE_COLOR: '1' } })
  expect(json.output).not.toContain(sequence)
})

it('no control character of the statement reaches the terminal', async () => {
  const { output } = await run(['explain', 'select "\u001b]0;owned\u0007\u202e" from t for update'])
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those must not be there
  expect(output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  expect(output).toContain('"·]0;owned··"')
})

it('ends quietly when the reader of its output goes away', async () => {
  const child = spawn(process.execPath, ['--conditions=dev-source', bin, 'explain', '--json'], { timeout: 20_000 })
  child.stdout.destroy()
  // Only now it has something to say.
  setTimeout(() => child.stdin.end('select 1'), 50)
  const [errors] = await Promise.all([text(child.stderr), once(child, 'close')])
  expect({ status: child.exitCode, errors }).toEqual({ status: 0, errors: '' })
})

it('--schema-url that cannot be reached ends with 2 and does not print its password', async () => {
  for (const url of ['postgres://me:hunter2@127.0.0.1:1/none', 'postgres://me:hunter2@[/none']) {
    const { status, errors } = await run(['explain', '--schema-url', url, 'select 1'])
    expect(status).toBe(2)
    expect(errors).toMatch(/^headwater: /)
    expect(errors).not.toContain('hunter2')
  }
})

it.each(['statement', 'transaction'])('B2: says where a statement goes behind a pooler in %s mode', async (kind) => {
  const { status, output } = await run(['explain', '--pooler', kind, 'listen news'])
  expect(status).toBe(0)
  expect(output).toMatch(
    /^behind the pooler: LISTEN needs a session of its own: it goes to the direct URL .*refused with SessionUnavailable\.$/m,
  )
})

it('refuses a pooler that is none', async () => {
  const { status, errors } = await run(['explain', '--pooler', 'pgbouncer', 'select 1'])
  expect(status).toBe(2)
  expect(errors).toContain('--pooler "pgbouncer" is unknown; expected none, session, transaction or statement')
  expect((await run(['doctor', '--pooler', 'session'])).errors).toContain('--pooler is no option of doctor')
})
