// What an agent says of itself, by the protocol of sd_notify(3).

/** A datagram, read. What it does not say is undefined or false. */
export interface Notification {
  readonly isReady: boolean;
  readonly isAlive: boolean;
  /** It asks for so much more time for what it is about, in ms. */
  readonly extendsByMs: number | undefined;
  /** One line for people. */
  readonly status: string | undefined;
  /** Keep the descriptors that came along under this name. */
  readonly keeps: string | undefined;
  /** Let go of what is kept under this name. */
  readonly releases: string | undefined;
}

/** Longest status that is remembered, in UTF-16 units. */
const STATUS_MAX = 1_024;

/** Longest time that can be asked for at once, in ms. */
const EXTENSION_MAX_MS = 30 * 60_000;

/** What systemd calls descriptors that came without a name. */
const UNNAMED = 'stored';

/** A name that descriptors may have here. systemd allows more; a name of ours goes behind that of a table. */
export function isDescriptorName(text: string): boolean {
  return /^[A-Za-z0-9]{1,32}$/.test(text);
}

/** Reads a datagram. Lines that mean nothing to a keeper of agents are skipped, and so are names that cannot be. */
export function parseNotification(state: string): Notification {
  const lines = new Map(state.split('\n').map(splitLine));
  const name = lines.get('FDNAME') ?? UNNAMED;
  const isNameGood = isDescriptorName(name);
  return {
    isReady: lines.get('READY') === '1',
    isAlive: lines.get('WATCHDOG') === '1',
    extendsByMs: parseExtension(lines.get('EXTEND_TIMEOUT_USEC')),
    status: lines.get('STATUS')?.slice(0, STATUS_MAX),
    keeps: lines.get('FDSTORE') === '1' && isNameGood ? name : undefined,
    releases: lines.get('FDSTOREREMOVE') === '1' && isNameGood ? name : undefined,
  };
}

/** Microseconds, as milliseconds; longer than EXTENSION_MAX_MS is that. */
function parseExtension(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Math.min(Number(text) / 1_000, EXTENSION_MAX_MS);
}

function splitLine(line: string): [string, string] {
  const equals = line.indexOf('=');
  return equals === -1 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
}
