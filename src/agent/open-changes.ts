// Puts together what makes changes last and what takes them back.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_OWNER } from '../model/owner.js';
import type { Logger } from '../runtime/log.js';
import { DurableWishes, type SavedEngine } from './durable-wishes.js';
import type { Engine } from './engine.js';
import type { FileWishes } from './file-wishes.js';
import { ChangeHistory, type SavedHistory } from './history/change-history.js';
import { Confirmations } from './history/confirmations.js';
import type { HistoryNote } from './history/entry.js';
import { SafeChanges } from './history/safe-changes.js';
import { linuxDisk } from './store/linux-disk.js';
import { errnoOf, asStorageError } from './store/storage-error.js';
import type { OpenedStore } from './store/wish-store.js';

export interface ChangesOptions {
  readonly table: number;
  readonly stateDirectory: string | undefined;
  /** The configuration file, if there is to be one: its wishes are not saved. */
  readonly file: FileWishes | undefined;
  /** That with which the agent begins. */
  readonly firstRevision: bigint;
}

/** @param saved undefined: everything ends with the agent */
export function openChanges(
  options: ChangesOptions,
  saved: OpenedStore | undefined,
  log: Logger,
): { readonly changes: SafeChanges; readonly wishes: DurableWishes | undefined } {
  const onNote = ({ note, level, ...fields }: HistoryNote) => {
    log[level](fields, note);
  };
  const { stateDirectory: directory, table } = options;
  const unsavedOwner = options.file && CONFIG_OWNER;
  const confirmations = new Confirmations(directory === undefined ? undefined : { disk: linuxDisk, directory, table });
  readConfirmations(confirmations, unsavedOwner, onNote);
  const history = new ChangeHistory({
    saved:
      directory === undefined || saved === undefined
        ? undefined
        : openDirectory(directory, table, saved, unsavedOwner, onNote),
    revision: saved?.revision ?? 0n,
    firstRevision: options.firstRevision,
    neededAfter: (owner) => confirmations.of(owner)?.base,
    onNote,
  });
  const wishes = saved && new DurableWishes(saved.store, unsavedOwner, () => history.sync());
  return { changes: new SafeChanges({ history, confirmations, journal: wishes, onNote }), wishes };
}

/** The engine as DurableWishes needs it, when steps that it takes back are to be forgotten as well. */
export function withHistory(engine: Engine, changes: SafeChanges): SavedEngine {
  return {
    get revision() {
      return engine.revision;
    },
    resources: () => engine.resources(),
    takeBack: (steps) => {
      engine.takeBack(steps);
      changes.takenBack(steps);
    },
  };
}

/** @param unsavedOwner whose changes ended with the agent before */
function readConfirmations(
  confirmations: Confirmations,
  unsavedOwner: string | undefined,
  onNote: (note: HistoryNote) => void,
): void {
  try {
    confirmations.read();
    if (unsavedOwner !== undefined) confirmations.remove(unsavedOwner);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const { path, errno, message } = asStorageError(error, '', 'read');
    onNote({ note: 'what waits for confirmation cannot be read', level: 'error', path, errno, text: message });
  }
}

/** Undefined if there is no directory and none can be made: the history ends with the agent then. */
function openDirectory(
  stateDirectory: string,
  table: number,
  { lastRevisions }: OpenedStore,
  unsavedOwner: string | undefined,
  onNote: (note: HistoryNote) => void,
): SavedHistory | undefined {
  const directory = join(stateDirectory, 'history');
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const { path, errno, message } = asStorageError(error, directory, 'saved');
    if (errno !== 'EEXIST') {
      const note = 'changes cannot be taken back: the history could not be written';
      onNote({ note, level: 'warn', path, errno, text: message });
      return undefined;
    }
  }
  return { disk: linuxDisk, directory, table, lastRevisions, unsavedOwner };
}
