// The wishes of the table as an earlier agent saved them, and the lock that keeps them this agent's alone.
import { join } from 'node:path';
import { CONFIG_OWNER } from '../model/owner.js';
import type { Logger } from '../runtime/log.js';
import { type RuntimeAddon, loadAddon } from '../runtime/native.js';
import type { OwnedResource } from './rib/rib.js';
import { type OpenedStore, type StoreNote, openWishStore } from './store/wish-store.js';

export interface StateOptions {
  readonly table: number;
  /** Where the wishes of the table are saved; undefined: they end with the agent. */
  readonly stateDirectory: string | undefined;
}

/** Time in which an agent before this one must have gone, in ms, and how often that is looked at. */
const LOCK_LIMIT_MS = 10_000;
const LOCK_RETRY_MS = 5;

/** Another agent of the table runs, or its state cannot be reached. */
export class StateError extends Error {
  readonly code: 'TABLE_LOCKED' | 'STATE_DIRECTORY';

  constructor(code: StateError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Takes the table's state as the only agent that does, and reads it. */
export async function openState(
  { stateDirectory, table }: StateOptions,
  log: Logger,
): Promise<OpenedStore | undefined> {
  if (stateDirectory === undefined) return undefined;
  await takeLock(join(stateDirectory, 'lock'), table);
  return openWishStore({
    directory: stateDirectory,
    table,
    onNote: (note) => {
      logStoreNote(log, note);
    },
  });
}

/** The lock is held until the process ends. An agent before this one may be ending. */
async function takeLock(path: string, table: number): Promise<void> {
  const addon = loadAddon();
  const end = performance.now() + LOCK_LIMIT_MS;
  while (tryLock(addon, path) === undefined) {
    if (performance.now() >= end) {
      throw new StateError(
        'TABLE_LOCKED',
        `another agent of table ${table} has '${path}': stop it (\`fuser ${path}\` finds it), or choose another --table`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
  }
}

function tryLock(addon: RuntimeAddon, path: string): number | undefined {
  try {
    return addon.lockFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StateError(
      'STATE_DIRECTORY',
      `wishes cannot be saved at '${path}' (${reason}): make its folder writable for this user, or choose another --state-directory`,
      error,
    );
  }
}

/**
 * Higher than any revision of an earlier life, of which those of states were not saved: so that a watch that resumes is
 * told that it cannot. In microseconds, of which no agent makes as many revisions in its life.
 */
export function firstRevision(saved: OpenedStore | undefined): bigint {
  const now = BigInt(Date.now()) * 1_000n;
  const last = saved?.revision ?? 0n;
  return last < now ? now : last + 1n;
}

/** What was saved, without what the configuration file says by now. */
export function savedWishes(saved: OpenedStore | undefined, hasFile: boolean): readonly OwnedResource[] {
  const wishes = saved?.wishes ?? [];
  return hasFile ? wishes.filter(({ owner }) => owner !== CONFIG_OWNER) : wishes;
}

function logStoreNote(log: Logger, { note, level, ...fields }: StoreNote): void {
  log[level](fields, note);
}
