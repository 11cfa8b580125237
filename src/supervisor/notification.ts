// What an agent says of itself, by the protocol of sd_notify(3).

/** A datagram, read. What it does not say is undefined or false. */
export interface Notification {
  readonly isReady: boolean;
  readonly isAlive: boolean;
  /** One line for people. */
  readonly status: string | undefined;
  /** Keep the descriptors that came along under this name. */
  readonly keeps: string | undefined;
  /** Let go of what is kept under this name. */
  readonly releases: string | undefined;
}

/** Longest status that is remembered, in UTF-16 units. */
const STATUS_MAX = 1_024;

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
    status: lines.get('STATUS')?.slice(0, STATUS_MAX),
    keeps: lines.get('FDSTORE') === '1' && isNameGood ? name : undefined,
    releases: lines.get('FDSTOREREMOVE') === '1' && isNameGood ? name : undefined,
  };
}

function splitLine(line: string): [string, string] {
  const equals = line.indexOf('=');
  return equals === -1 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
}
