// Failures as people read them, and the status that the program ends with. Pure.
import { ApiError, type Reason } from '../api/status.js';
import { inSource } from '../runtime/stack.js';
import { printable } from './output/text.js';

/** A failure on this side of the wire. */
export type Complaint =
  | 'USAGE'
  | 'BAD_FILE'
  | 'NO_FILE'
  | 'NOT_WRITTEN'
  | 'BAD_ENVIRONMENT'
  | 'TIMEOUT'
  | 'PERMISSION'
  /** One side does not take the other's certificate. */
  | 'UNTRUSTED';

/** Something that mcctl itself found wrong. */
export class CliError extends Error {
  readonly code: Complaint;
  /** What follows the message: one cure, or one more thing that is wrong, a line. */
  readonly details: readonly string[];

  constructor(code: Complaint, message: string, details: readonly string[] = [], cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.details = details;
  }
}

/** Status of a program that did what it was asked. */
export const EXIT_OK = 0;

/** Status where sysexits.h has no better one. */
export const EXIT_FAILURE = 1;

/** Status of a program that SIGINT ended, as shells have it. */
export const EXIT_INTERRUPTED = 130;

/** The status (sysexits.h) that tells of the error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return EXIT_OF_COMPLAINT[error.code];
  if (error instanceof ApiError) return EXIT_OF_REASON[error.reason];
  return EXIT_OF_REASON.INTERNAL;
}

/**
 * Lines for stderr: what is wrong, then one cure or one more thing that is wrong a line. `host` is where, in a command that is
 * for several.
 */
export function errorLines(error: unknown, host?: string): string[] {
  const lines = linesOf(error).map(printable);
  const [first = 'failed', ...others] = lines;
  const where = host === undefined ? '' : `${printable(host)}: `;
  return [`mcctl: ${where}${first}`, ...others.map((line) => `  ${line}`)];
}

/**
 * Names the field of a request as the command line has it: `changes[0].add_oifs.key.group` is `group`,
 * `changes[0].put.mroute.oifs[1].interface` is `oif 2`.
 */
export function fieldInWords(field: string): string {
  const path = field
    .replace(/^changes\[\d+\]\.?/, '')
    .replace(/^(put|delete|delete_existing|add_oifs|remove_oifs)(\.|$)/, '')
    .replace(/^(mroute|membership|interface)(\.|$)/, '')
    .replace(/^key(\.|$)/, '');
  const item = /^(oifs|except|boundaries)\[(\d+)\](?:\.(\w+))?$/.exec(path);
  if (item !== null) {
    const [, list, index, part] = item;
    const number = Number(index) + 1;
    if (list === 'except') return `--except ${number}`;
    if (list === 'boundaries') return `--boundary ${number}`;
    return part === 'ttl_threshold' ? `TTL threshold of oif ${number}` : `oif ${number}`;
  }
  return WORDS.get(path) ?? path;
}

const WORDS = new Map([
  ['', 'command'],
  ['name', 'interface'],
  ['ttl_threshold', '--ttl-threshold'],
  ['label', '--label'],
  ['except', '--except'],
  ['boundaries', '--boundary'],
  ['owner', '--owner'],
  ['table', '--table'],
  ['expected_revision', '--expected-revision'],
  ['after_revision', '--after-revision'],
  ['filter.owner', '--owner-only'],
  ['filter.group', '--group'],
  ['filter.interface', '--interface'],
  ['comment', '--comment'],
  ['confirm_within', '--confirm-within'],
  ['request_id', '--request-id'],
  ['to_revision', 'REVISION'],
  ['settings.name', '--name'],
  ['settings.user', '--user'],
  ['settings.netns', '--netns'],
  ['settings.families', '--families'],
  ['settings.cache_timeout', '--cache-timeout'],
  ['settings.star_g', '--star-g'],
  ['settings.mrule_priority', '--mrule-priority'],
  ['settings.log_level', '--log-level'],
  ['settings.watchdog', '--watchdog'],
]);

const EXIT_OF_COMPLAINT: Record<Complaint, number> = {
  USAGE: 64, // EX_USAGE
  BAD_FILE: 65, // EX_DATAERR
  NO_FILE: 66, // EX_NOINPUT
  NOT_WRITTEN: 73, // EX_CANTCREAT
  TIMEOUT: 75, // EX_TEMPFAIL
  PERMISSION: 77, // EX_NOPERM
  UNTRUSTED: 77,
  BAD_ENVIRONMENT: 78, // EX_CONFIG
};

const EXIT_OF_REASON: Record<Reason, number> = {
  INVALID_FIELD: 65, // EX_DATAERR
  MESSAGE_TOO_LARGE: 65,
  TABLE_EXISTS: 65,
  TABLE_NOT_FOUND: 69, // EX_UNAVAILABLE
  AGENT_UNAVAILABLE: 69,
  AGENT_FAILED: 69,
  CONFIGURATION: 78,
  TABLE_IN_USE: 69,
  INTERNAL: 70, // EX_SOFTWARE
  STORAGE: 73, // EX_CANTCREAT
  WATCHER_TOO_SLOW: 75, // EX_TEMPFAIL
  REVISION_MISMATCH: 75,
  REVISION_COMPACTED: 75,
  RATE_LIMIT: 75,
  MISSING_CAPABILITY: 77, // EX_NOPERM
  UNAUTHENTICATED: 77,
  PERMISSION_DENIED: 77,
  NOT_FOUND: EXIT_FAILURE,
  RESOURCE_LIMIT: EXIT_FAILURE,
  WARNINGS: EXIT_FAILURE,
  KERNEL_ERROR: EXIT_FAILURE,
  NOT_PRIMARY: EXIT_FAILURE,
  UNCONFIRMED: EXIT_FAILURE,
  LOCKOUT: EXIT_FAILURE,
  HISTORY_LOST: EXIT_FAILURE,
};

/** What to do, where the agent's sentence cannot know the options of this program. */
const CURES: Record<Reason, string | undefined> = {
  INVALID_FIELD: undefined,
  TABLE_NOT_FOUND: 'give the table that this agent serves with --table, or the socket of the right agent with --socket',
  NOT_FOUND: "'mcctl show' lists what there is and whose it is; --owner says whose to change",
  RESOURCE_LIMIT: "'mcctl capabilities' tells the limits; remove what is no longer needed or use another table",
  WATCHER_TOO_SLOW: 'read faster, or go on with --reconnect',
  REVISION_MISMATCH: "look at what has changed with 'mcctl diff', then repeat with the revision as it is now",
  REVISION_COMPACTED: 'start anew, without --after-revision',
  WARNINGS: 'nothing was changed; without --strict it is accepted, with the warnings',
  KERNEL_ERROR: "'mcctl show pending' lists what the kernel does not have",
  MESSAGE_TOO_LARGE: 'split the file, or use --prune, which sends it in parts but removes what the file does not have',
  AGENT_UNAVAILABLE: 'see whether the agent runs, and give its table with --table or its socket with --socket',
  TABLE_IN_USE: 'end the other program, or use another table',
  MISSING_CAPABILITY: 'the agent needs CAP_NET_ADMIN: start it by its service',
  STORAGE: 'nothing was changed: make room or mend the disk of the state directory, then repeat',
  TABLE_EXISTS: "'mcctl table show TABLE' tells what it is",
  CONFIGURATION: 'correct the file, then reload; nothing was changed',
  AGENT_FAILED: "cure it, then 'mcctl table start TABLE'; the log has more ('journalctl -u mcroute')",
  UNAUTHENTICATED: 'show another certificate (--cert, --key), or ask who runs the host for one',
  PERMISSION_DENIED: "'mcctl whoami' tells what this identity may do; who runs the host changes the policy",
  RATE_LIMIT: 'try again later, or send more changes with each request',
  NOT_PRIMARY: 'another controller has this role',
  UNCONFIRMED: "'mcctl confirm' keeps the change that waits, 'mcctl rollback' takes it back",
  LOCKOUT: 'nothing was changed; --allow-lockout puts it in force all the same',
  HISTORY_LOST: "'mcctl history' lists the revisions that are there",
  INTERNAL: 'the log of the agent has more',
};

function linesOf(error: unknown): string[] {
  if (error instanceof CliError) return [error.message, ...error.details];
  if (error instanceof ApiError) return apiErrorLines(error);
  const text = error instanceof Error ? inSource(error.stack ?? error.message) : String(error);
  return ['this is a bug of mcctl:', ...text.split('\n').map((line) => line.trim())];
}

function apiErrorLines(error: ApiError): string[] {
  if (error.violations.length > 0) {
    return error.violations.map(({ field, description }) => `${fieldInWords(field)}: ${description}`);
  }
  const { errno, syscall, cure } = error.metadata;
  const origin = [syscall, errno].filter((word) => word !== undefined && word !== '');
  const message = error.message === '' ? error.reason : error.message;
  return [
    origin.length > 0 ? `${message} (${origin.join(': ')})` : message,
    ...(cure ?? CURES[error.reason] ?? '').split('\n').filter((line) => line !== ''),
  ];
}
