#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { readCommandLine, type Source, usage } from './command-line.ts'
import { runDoctor } from './doctor/doctor-command.ts'
import { explain } from './explain.ts'
import { coloured, isColourWanted, plain, render } from './render.ts'
import { loadSchema } from './schema.ts'
import { UsageError } from './usage-error.ts'

async function main(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2))
  if (command === undefined) {
    process.stdout.write(`${usage}\n`)
    return
  }
  if (command.command === 'doctor') {
    const { output, exitCode } = await runDoctor(command)
    // What the app's module has opened, and a name that is still being looked up, would keep it waiting.
    process.stdout.write(output, () => process.exit(exitCode))
    return
  }
  const sql = await read(command.source)
  const knowledge = command.schemaUrl === undefined ? undefined : await loadSchema(command.schemaUrl)
  const explanation = explain(sql, knowledge, command.pooler)
  const paint = isColourWanted(process.env, process.stdout.isTTY === true) ? coloured : plain
  process.stdout.write(
    command.isJson ? `${JSON.stringify(explanation, undefined, 2)}\n` : render(sql, explanation, paint),
  )
  if (!command.mustRead || explanation.access === 'read') return
  process.stderr.write(`headwater: it is not proven to be a read but a ${explanation.access}\n`)
  process.exitCode = 1
}

async function read(source: Source): Promise<string> {
  switch (source.from) {
    case 'argument':
      return source.text
    case 'input':
      if (process.stdin.isTTY === true) throw new UsageError('no statement was given; pass one, --file, or a pipe')
      return text(process.stdin)
    case 'file':
      try {
        return await readFile(source.path, 'utf8')
      } catch (error) {
        const code: unknown = Reflect.get(Object(error), 'code')
        throw new UsageError(`--file ${source.path} could not be read: ${String(code)}`)
      }
  }
}

// `headwater explain … | head` closes our output early; that is no failure.
process.stdout.on('error', (error) => {
  if (Reflect.get(error, 'code') !== 'EPIPE') throw error
})

main().catch((error: unknown) => {
  process.exitCode = 2
  if (error instanceof UsageError) process.stderr.write(`headwater: ${error.message}\nTry headwater --help.\n`)
  else console.error(error)
})
