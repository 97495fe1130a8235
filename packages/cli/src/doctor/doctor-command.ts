import { coloured, isColourWanted, plain } from '../render.ts'
import { UsageError } from '../usage-error.ts'
import { diagnose } from './doctor.ts'
import { renderDiagnosis } from './render-diagnosis.ts'

/** The options of `headwater doctor`. */
export interface DoctorCommand {
  readonly command: 'doctor'
  readonly isJson: boolean
  readonly envFile: string | undefined
  readonly module: string | undefined
  readonly remote: string | undefined
}

/** Runs the doctor. Gives what to print, and the exit code: 0, or 1 with findings. */
export async function runDoctor(
  command: DoctorCommand,
): Promise<{ readonly output: string; readonly exitCode: 0 | 1 }> {
  if (command.envFile !== undefined) readEnvFile(command.envFile)
  const { module, remote } = command
  const diagnosis = await diagnose({ folder: process.cwd(), environment: process.env, module, remote })
  const paint = isColourWanted(process.env, process.stdout.isTTY === true) ? coloured : plain
  const output = command.isJson ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : renderDiagnosis(diagnosis, paint)
  return { output, exitCode: diagnosis.findings === 0 ? 0 : 1 }
}

/** As `node --env-file` does: what is set already stays. */
function readEnvFile(path: string): void {
  try {
    process.loadEnvFile(path)
  } catch (error) {
    throw new UsageError(`--env-file ${path} could not be read: ${String(Reflect.get(Object(error), 'code'))}`)
  }
}
