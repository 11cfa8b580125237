// The sessions of the agent's table: remembered in its state directory, with the engine to remove what nobody holds.
import type { Logger } from '../runtime/log.js';
import type { Engine } from './engine.js';
import { EMPTY_RECORD } from './sessions/record.js';
import { openSessionFile } from './sessions/session-file.js';
import { type SessionNote, Sessions } from './sessions/sessions.js';

/** Where sessions are remembered; without a directory as long as the agent lives. */
export interface SessionOptions {
  readonly table: number;
  readonly stateDirectory: string | undefined;
}

/**
 * @param settled as in ServiceOptions
 * @throws StorageError if what was saved cannot be read.
 */
export function openSessions(
  { table, stateDirectory: directory }: SessionOptions,
  engine: Engine,
  settled: () => Promise<void>,
  log: Logger,
): Sessions {
  const onNote = ({ note, ...fields }: { readonly note: string }) => {
    log.error(fields, note);
  };
  const file = directory === undefined ? undefined : openSessionFile({ directory, table, onNote });
  return new Sessions({
    store: file?.store,
    record: file?.record ?? EMPTY_RECORD,
    clock: () => ({ steadyMs: performance.now(), wallMs: Date.now() }),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms).unref();
      return () => {
        clearTimeout(timer);
      };
    },
    removeAll: (owner) => removeAll(engine, owner, settled),
    onNote: (note) => {
      logNote(log, note);
    },
  });
}

async function removeAll(engine: Engine, owner: string, settled: () => Promise<void>): Promise<number> {
  const origin = { method: 'Absence', isAutomatic: true };
  const { effects } = engine.replace(owner, [], {
    validateOnly: false,
    strict: false,
    expectedRevision: undefined,
    origin,
  });
  await settled();
  return effects.removed;
}

function logNote(log: Logger, note: SessionNote): void {
  if ('error' in note) {
    const { note: message, error: err, ...fields } = note;
    log.error({ ...fields, err }, message);
    return;
  }
  const { note: message, ...fields } = note;
  log.info(fields, message);
}
