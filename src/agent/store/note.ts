// What the store has to say to whoever reads the log. The texts are constant.

export type StoreNote = UnfinishedStep | SetAsideNote | NothingReadable | FailureNote;

/** The power went while a step was written; nobody was told that it is saved. */
interface UnfinishedStep {
  readonly note: 'an unfinished step was cut off';
  readonly level: 'info';
  readonly path: string;
  readonly bytes: number;
}

/** Something damaged was found at the start and put where a person can look at it. */
export interface SetAsideNote {
  readonly note:
    /** An older snapshot and its journals are read in its place. */
    | 'a damaged snapshot was set aside'
    /** What comes before the damage is used; what comes after it is lost to the table. */
    | 'the damaged rest of a journal was set aside'
    /** Steps before its first are missing, so it cannot be used. */
    | 'a journal without what comes before it was set aside'
    /** `warn`: it has no steps either, as after a power cut while it was made. */
    | 'a journal without a header was set aside';
  readonly level: 'warn' | 'error';
  readonly path: string;
  /** Where it is now; undefined if it could not be moved. */
  readonly keptAs: string | undefined;
  /** Bytes that were set aside; undefined if the disk does not give them. */
  readonly bytes: number | undefined;
}

/** No snapshot can be read and the journals do not go back to the beginning: the table begins with nothing. */
interface NothingReadable {
  readonly note: 'nothing that was saved can be read';
  readonly level: 'error';
  readonly path: string;
}

/** The disk did not do something. */
export interface FailureNote {
  readonly note:
    /** All is as before, and it is tried again later. */
    | 'the snapshot could not be written'
    /** Those who asked for the changes were told. */
    | 'changes could not be made durable and were taken back'
    /** What was read may not be durable, or changes are refused until a journal can be written. */
    | 'the journal cannot be gone on with'
    | 'an old file could not be removed';
  readonly level: 'warn' | 'error';
  readonly path: string;
  readonly errno: string;
  /** A sentence with the cure. */
  readonly text: string;
}
