// Failures in the words of smcroutectl. Pure.
import { getSystemErrorMap } from 'node:util';
import { ApiError } from '../../api/status.js';
import { inSource } from '../../runtime/stack.js';
import { CliError, fieldInWords } from '../errors.js';
import { printable } from '../output/text.js';
import type { CommandName } from './command.js';

/** A command that cannot be understood. */
export class CommandError extends Error {
  /** What is printed after the message. */
  readonly help: CommandName | 'usage' | undefined;

  constructor(message: string, help?: CommandName | 'usage') {
    super(message);
    this.help = help;
  }
}

/** Nobody answers at the socket. `details` may have the code of a system error; `why` is for when they have not. */
export function unreachable(path: string, details: string, why: string): ApiError {
  const code = /\bE[A-Z]+\b/.exec(details)?.[0];
  const text = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? why;
  const reason = text.charAt(0).toUpperCase() + text.slice(1);
  const lines = code === 'ENOENT' ? [`Cannot find IPC socket ${path}`] : [];
  return new ApiError('AGENT_UNAVAILABLE', [...lines, `${CONNECTING}: ${reason}`].join('\n'));
}

/** Whether it is of no use to ask the daemon for more. */
export function isDaemonLost(error: unknown): boolean {
  return error instanceof CliError || (error instanceof ApiError && error.reason === 'AGENT_UNAVAILABLE');
}

/** Lines for stderr. */
export function errorLines(error: unknown): string[] {
  return linesOf(error).map((line) => `smcroutectl: ${printable(line)}`);
}

/** What is wrong, a line for each thing. */
export function linesOf(error: unknown): string[] {
  if (error instanceof CommandError) return [error.message];
  // A socket that is not for us, or whose owner does not answer.
  if (error instanceof CliError) return [`${CONNECTING}: ${error.message}`];
  if (error instanceof ApiError) {
    if (error.violations.length > 0) {
      return error.violations.map(({ field, description }) => `${fieldInWords(field)}: ${description}`);
    }
    return (error.message === '' ? error.reason : error.message).split('\n');
  }
  const text = error instanceof Error ? inSource(error.stack ?? error.message) : String(error);
  return ['this is a bug of smcroutectl:', ...text.split('\n').map((line) => line.trim())];
}

const CONNECTING = 'Failed connecting to daemon';
