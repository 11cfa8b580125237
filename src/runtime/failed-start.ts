// How a program ends that cannot begin.
import { EXIT_CODE } from './exit-code.js';

/** Ends the program; each line of the message begins with its name. */
export function failStart(program: string, code: number, message: string): never {
  const lines = message.split('\n').map((line) => `${program}: ${line}\n`);
  process.stderr.write(lines.join(''));
  process.exit(code);
}

/** What is read of a file. If it cannot be read the program ends with EX_CONFIG: EX_NOINPUT is for what is no system file (sysexits.h). */
export function readOrFail<Configuration>(program: string, read: () => Configuration): Configuration {
  try {
    return read();
  } catch (error) {
    failStart(program, EXIT_CODE.config, error instanceof Error ? error.message : String(error));
  }
}
