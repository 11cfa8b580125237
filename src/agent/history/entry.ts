// A change of an owner's resources, as it is remembered.
import type { Effect } from '../../model/change.js';
import type { StepNote } from '../engine.js';
import type { Step } from '../rib/rib.js';

export interface HistoryEntry {
  /** The revision that it made. */
  readonly revision: bigint;
  /** That of the owner's change before it; 0n if none is known. */
  readonly after: bigint;
  /** ms after 1970. */
  readonly timeMs: number;
  readonly owner: string;
  /** Empty for a caller of this host. */
  readonly author: string;
  readonly method: string;
  readonly comment: string;
  /** What its sender was told. */
  readonly effects: Readonly<Record<Effect, number>>;
  /** Empty if the request had none. */
  readonly requestId: string;
  readonly requestDigest: string;
  /** Of a roll-back: the revision that it went back to. */
  readonly restoredRevision: bigint | undefined;
}

/** An entry as it is listed. */
export interface ListedEntry extends HistoryEntry {
  /** It and all later ones of its owner can be taken back. */
  readonly canBeUndone: boolean;
}

export function entryOf(
  { owner }: Step,
  revision: bigint,
  after: bigint,
  { origin, effects }: StepNote,
  timeMs: number,
): HistoryEntry {
  const { method, author = '', comment = '', requestId = '', requestDigest = '', restoredRevision } = origin;
  return {
    revision,
    after,
    timeMs,
    owner,
    author,
    method,
    comment,
    effects,
    requestId,
    requestDigest,
    restoredRevision,
  };
}

/** The history of an owner does not go back so far. */
export class HistoryLostError extends Error {
  readonly code = 'HISTORY_LOST';
  /** The first revision that it goes back to. */
  readonly firstRevision: bigint;

  constructor(firstRevision: bigint, message: string) {
    super(message);
    this.firstRevision = firstRevision;
  }
}

/** Something that the history has to say to whoever reads the log. The texts are constant. */
export interface HistoryNote {
  readonly note:
    /** The changes themselves are not touched by that. */
    | 'changes cannot be taken back: the history could not be written'
    /** Who asked for it to be confirmed in time did not. */
    | 'an unconfirmed change was rolled back'
    /** It is tried again. */
    | 'an unconfirmed change could not be rolled back'
    | 'what waits for confirmation cannot be read'
    /** It would be rolled back at the next start, if that is after its time. */
    | 'that nothing waits for confirmation could not be saved';
  readonly level: 'info' | 'warn' | 'error';
  readonly owner?: string;
  readonly path?: string;
  readonly errno?: string;
  readonly revision?: string;
  /** A sentence with the cure. */
  readonly text?: string;
}
