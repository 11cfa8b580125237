// Lines for the system's log, as syslog(3) sends them: datagrams to /dev/log (RFC 3164).
import { type RuntimeAddon, loadAddon } from './native.js';
import type { LineSink, Severity } from './text-log.js';

/** Where the system's log listens. */
export const SYSLOG_PATH = '/dev/log';

/** Facility `daemon`. */
const FACILITY = 3;

const SEVERITIES: Readonly<Record<Severity, number>> = { err: 3, warning: 4, info: 6, debug: 7 };

/** Bytes of a datagram: what every log takes in one (RFC 5424, 6.1, has 2048 as what receivers should). */
const DATAGRAM_MAX = 2_048;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `<30>Nov 21 05:02:07 smcroute[123]: line`, the time as it is here (RFC 3164, 4.1). */
export function formatSyslog(severity: Severity, tag: string, pid: number, line: string, time: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const day = String(time.getDate()).padStart(2);
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const priority = FACILITY * 8 + SEVERITIES[severity];
  return cut(`<${priority}>${MONTHS[time.getMonth()] ?? ''} ${day} ${clock} ${tag}[${pid}]: ${line}`);
}

export interface SyslogOptions {
  readonly path?: string;
  /** What sends a datagram without ever waiting, and throws if that cannot be. */
  readonly addon?: Pick<RuntimeAddon, 'notify'>;
  readonly now?: () => Date;
}

/**
 * A sink that sends to the system's log. Each line goes by itself to whoever listens by then, so a log that was started
 * again is found. It never waits: what nobody takes is lost, and how many lines that were is told with the next one.
 */
export function syslogSink(tag: string, options: SyslogOptions = {}): LineSink {
  const { path = SYSLOG_PATH, addon = loadAddon(), now = () => new Date() } = options;
  let lost = 0;
  const send = (severity: Severity, line: string) => {
    addon.notify(path, formatSyslog(severity, tag, process.pid, line, now()), []);
  };
  return (severity, line) => {
    try {
      if (lost > 0) send('warning', `${lost} lines were lost: the log took none`);
      lost = 0;
      send(severity, line);
    } catch {
      lost++;
    }
  };
}

/** Not in the middle of a character. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= DATAGRAM_MAX) return text;
  let end = DATAGRAM_MAX;
  // 10xxxxxx goes on with a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
