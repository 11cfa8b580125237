import { type Logger, destination, pino, stdSerializers } from 'pino';
import { inSource } from './stack.js';

export type { Logger } from 'pino';

/** The levels that a person may ask for. */
export const LOG_LEVELS = ['none', 'err', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Opens the log: JSON lines on stderr, the message constant, what differs in fields. Written at once, so that nothing
 * is lost when the process ends.
 */
export function openLog(level: LogLevel, fields: Readonly<Record<string, unknown>>): Logger {
  const options = {
    level: PINO_LEVEL[level],
    base: { ...fields, pid: process.pid },
    serializers: { err: serializeError },
  };
  return pino(options, destination({ fd: 2, sync: true }));
}

/** The levels by the names that pino has for them; it has no notice, which is a warning at least. */
export const PINO_LEVEL: Readonly<Record<LogLevel, string>> = {
  none: 'silent',
  err: 'error',
  notice: 'warn',
  info: 'info',
  debug: 'debug',
};

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const entry = stdSerializers.err(error);
  return { ...entry, stack: inSource(entry.stack) };
}
