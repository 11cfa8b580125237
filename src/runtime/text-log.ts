// Logs for people: lines of text in the place of JSON.
import { type Logger, pino } from 'pino';
import { type LogLevel, PINO_LEVEL } from './log.js';

/** How much a line matters, in the words of syslog(3). */
export type Severity = 'err' | 'warning' | 'info' | 'debug';

/** Takes a line, which is one. */
export type LineSink = (severity: Severity, line: string) => void;

/** Opens a log of which each entry becomes a line: the message, and what differs behind it. */
export function openTextLog(level: LogLevel, sink: LineSink): Logger {
  return pino(
    { level: PINO_LEVEL[level], base: null, timestamp: false },
    {
      write: (json: string) => {
        const { level, ...entry } = JSON.parse(json) as Entry;
        sink(severityOf(level), formatEntry(entry));
      },
    },
  );
}

/** A sink that writes to stderr as smcrouted does: `NAME[PID]: line`. */
export function stderrSink(name: string): LineSink {
  return (_severity, line) => {
    process.stderr.write(`${name}[${process.pid}]: ${line}\n`);
  };
}

/** What pino writes. */
interface Entry {
  readonly level: number;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** `message: text (field=value, ...)`; `text` and errors speak for themselves. */
export function formatEntry({ msg, text, err, ...fields }: Omit<Entry, 'level'>): string {
  const told = [msg, text, messageOf(err)].filter((part) => typeof part === 'string' && part !== '').join(': ');
  const others = Object.entries(fields).map(([name, value]) => `${name}=${formatValue(value)}`);
  return printable(others.length === 0 ? told : `${told} (${others.join(', ')})`);
}

function messageOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'message' in error ? error.message : undefined;
}

function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A line of a log stays one, whatever is in it. */
function printable(text: string): string {
  return text.replace(/\n/g, '; ').replace(/\p{Cc}/gu, (character) => {
    return `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`;
  });
}

/** Levels of pino are 10 (trace) to 60 (fatal). */
function severityOf(level: number): Severity {
  if (level >= 50) return 'err';
  if (level >= 40) return 'warning';
  return level >= 30 ? 'info' : 'debug';
}
