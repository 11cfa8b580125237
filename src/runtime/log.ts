import { type Logger, destination, pino } from 'pino';

export type { Logger } from 'pino';

/** The levels that a person may ask for. */
export const LOG_LEVELS = ['none', 'err', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Opens the log: JSON lines on stderr, the message constant, what differs in fields. Written at once, so that nothing
 * is lost when the process ends.
 */
export function openLog(level: LogLevel, fields: Readonly<Record<string, unknown>>): Logger {
  return pino({ level: PINO_LEVEL[level], base: { ...fields, pid: process.pid } }, destination({ fd: 2, sync: true }));
}

/** The levels by the names that pino has for them; it has no notice, which is a warning at least. */
export const PINO_LEVEL: Readonly<Record<LogLevel, string>> = {
  none: 'silent',
  err: 'error',
  notice: 'warn',
  info: 'info',
  debug: 'debug',
};
