// The policy that is in force: that of its file, read again when it changes. A file that cannot be used changes nothing.
import { Violations } from '../api/parse.js';
import { ApiError } from '../api/status.js';
import { ConfigurationError } from '../configuration/configuration-error.js';
import { readConfigurationText } from '../configuration/read-text.js';
import type { Logger } from '../runtime/log.js';
import { readAccountNames } from './account-names.js';
import { mayChangePolicy } from './authorize.js';
import type { Peer } from './peer.js';
import { type ParsedPolicy, type Policy, parsePolicy } from './policy.js';
import { replaceFile } from './replace-file.js';
import { type WatchedFiles, watchFiles } from './watched-files.js';

/** The policy in force, and where it is from. */
export interface PolicySource extends Disposable {
  readonly policy: Policy;
  /** Undefined: there is none, and the policy is built in. */
  readonly file: string | undefined;
  /** As in the file; empty where there is none. */
  readonly text: string;
  /** When it was put in force, in ms after 1970. */
  readonly time: number;
  /** Why the file as it is now is not in force; undefined if it is. */
  readonly error: string | undefined;
  /** Reads the file, and names of users and groups, now. */
  reload(): void;
  /**
   * Checks a policy and, unless only that is asked for, writes it to the file and puts it in force.
   *
   * @throws ApiError INVALID_FIELD, LOCKOUT, CONFIGURATION if there is no file, STORAGE if it cannot be written.
   */
  set(text: string, change: PolicyChange): Promise<ParsedPolicy>;
}

export interface PolicyChange {
  /** Who changes it. */
  readonly peer: Peer;
  readonly isValidateOnly: boolean;
  /** Also if the peer may not change it any more afterwards. */
  readonly allowsLockout: boolean;
}

export interface PolicyOptions {
  readonly log: Logger;
  /** Is told of a policy that takes the place of the one before. */
  readonly onChange?: (policy: Policy) => void;
  /** Time between looks at the file, in ms. */
  readonly lookMs?: number;
}

/**
 * Reads the policy file, and follows it from then on.
 *
 * @throws ConfigurationError if it cannot be used.
 */
export function openPolicyFile(file: string, options: PolicyOptions): PolicySource {
  return new FollowedPolicy(file, options);
}

/** A policy that has no file. */
export function fixedPolicy(policy: Policy, time: number): PolicySource {
  return {
    policy,
    file: undefined,
    text: '',
    time,
    error: undefined,
    reload: () => undefined,
    set: () =>
      Promise.reject(
        new ApiError(
          'CONFIGURATION',
          "the gateway has no policy file: name one as 'policy' in its gateway.yaml and reload it",
        ),
      ),
    [Symbol.dispose]: () => undefined,
  };
}

class FollowedPolicy implements PolicySource {
  readonly file: string;
  readonly #options: PolicyOptions;
  readonly #watch: WatchedFiles;
  #text: string;
  #parsed: ParsedPolicy;
  #time: number;
  #error: string | undefined;
  /** Ends with the last change that was asked for: one is written after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(file: string, options: PolicyOptions) {
    this.file = file;
    this.#options = options;
    // Watched before it is read: what comes in between is seen.
    this.#watch = watchFiles(
      [file],
      (hasChanged) => {
        if (hasChanged || this.#error !== undefined) this.#read();
      },
      options.lookMs,
    );
    try {
      this.#text = readConfigurationText(file);
      this.#parsed = parsePolicy(this.#text, file, readAccountNames());
    } catch (error) {
      this.#watch[Symbol.dispose]();
      throw error;
    }
    this.#time = Date.now();
    this.#tellWarnings();
  }

  get policy(): Policy {
    return this.#parsed.policy;
  }

  get text(): string {
    return this.#text;
  }

  get time(): number {
    return this.#time;
  }

  get error(): string | undefined {
    return this.#error;
  }

  reload(): void {
    this.#watch.see();
    this.#read();
  }

  set(text: string, change: PolicyChange): Promise<ParsedPolicy> {
    const done = this.#changes.then(() => this.#set(text, change));
    this.#changes = done.catch(() => undefined);
    return done;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  async #set(text: string, { peer, isValidateOnly, allowsLockout }: PolicyChange): Promise<ParsedPolicy> {
    const parsed = parseSent(text);
    if (!allowsLockout && !mayChangePolicy(parsed.policy, peer)) {
      throw new ApiError(
        'LOCKOUT',
        `by this policy ${peer.identity} could not change the policy any more: give it the role admin by a rule without restrictions, or ask for it all the same (allow_lockout)`,
        { metadata: { identity: peer.identity } },
      );
    }
    if (isValidateOnly) return parsed;
    try {
      await replaceFile(this.file, text);
    } catch (error) {
      throw storageError(this.file, error);
    }
    this.reload();
    return parsed;
  }

  #read(): void {
    const { log, onChange } = this.#options;
    let text: string;
    let parsed: ParsedPolicy;
    try {
      text = readConfigurationText(this.file);
      parsed = parsePolicy(text, this.file, readAccountNames());
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      if (error.message !== this.#error) {
        log.error({ findings: error.findings }, 'the new policy cannot be used; the one before stays in force');
      }
      this.#error = error.message;
      return;
    }
    const isSame = text === this.#text && JSON.stringify(parsed) === JSON.stringify(this.#parsed);
    const wasRefused = this.#error !== undefined;
    this.#error = undefined;
    if (isSame && !wasRefused) return;
    log.info({ file: this.file, rules: parsed.policy.rules.length }, 'the policy was read again');
    if (isSame) return;
    this.#text = text;
    this.#parsed = parsed;
    this.#time = Date.now();
    this.#tellWarnings();
    onChange?.(parsed.policy);
  }

  #tellWarnings(): void {
    const { warnings } = this.#parsed;
    if (warnings.length > 0) this.#options.log.warn({ file: this.file, warnings }, 'the policy has doubtful rules');
  }
}

/** @throws ApiError INVALID_FIELD with all that is wrong. */
function parseSent(text: string): ParsedPolicy {
  try {
    return parsePolicy(text, 'policy', readAccountNames());
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const violations = new Violations();
    for (const { where, text: what } of error.findings) violations.add('policy', `${where}: ${what}`);
    violations.throwIfAny();
    throw error;
  }
}

function storageError(file: string, error: unknown): ApiError {
  const errno = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const cure = CURES.get(errno) ?? `the system says ${errno}`;
  return new ApiError('STORAGE', `the policy file '${file}' cannot be written, and nothing has changed: ${cure}`, {
    metadata: { errno, path: file },
    cause: error,
  });
}

const FOLDER_CURE =
  "change it on the host, which takes effect at once; or move it into a folder of the gateway's user (install -d -o USER FOLDER), and name that as 'policy' in gateway.yaml";

const CURES = new Map([
  ['EACCES', `its folder is not the gateway's to write in; ${FOLDER_CURE}`],
  ['EPERM', `its folder is not the gateway's to write in; ${FOLDER_CURE}`],
  ['EROFS', `its folder is read-only for the gateway (ReadWritePaths= of its unit opens it); ${FOLDER_CURE}`],
  ['ENOENT', 'its folder is not there; make it'],
  ['ENOSPC', 'the disk is full; make room'],
  ['EDQUOT', 'the quota is used up; make room'],
]);
