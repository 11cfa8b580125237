// When a snapshot is worth its while.

/** Bytes of journals from which on it is, unless the last one was large. */
const JOURNAL_BYTES_MAX = 1 << 20;

/** Times the last snapshot that the journals may have: all snapshots together are in proportion to the journals then. */
const JOURNAL_SNAPSHOTS_MAX = 2;

/** Steps, or bytes of journals, after which a snapshot that failed is tried again. */
const RETRY_STEPS = 100;
const RETRY_BYTES = 1 << 20;

/** How far a table's files have come. */
export interface StoreProgress {
  /** Steps since the first of the table. */
  readonly steps: number;
  /** Of all journals from the last snapshot on. */
  readonly journalBytes: number;
  /** Of the last snapshot. */
  readonly snapshotBytes: number;
}

export class SnapshotSchedule {
  /** The journals should not be relied upon, however short they are. */
  #isDemanded = false;
  #retryAt = { step: 0, bytes: 0 };

  /** The journals should not be relied upon any more. */
  demand(): void {
    this.#isDemanded = true;
  }

  isDue({ steps, journalBytes, snapshotBytes }: StoreProgress): boolean {
    const bound = Math.max(JOURNAL_BYTES_MAX, JOURNAL_SNAPSHOTS_MAX * snapshotBytes);
    if (!this.#isDemanded && journalBytes <= bound) return false;
    return steps >= this.#retryAt.step || journalBytes >= this.#retryAt.bytes;
  }

  /** One begins: it cures what was until now. Returns what to call when it has failed, with the progress of then. */
  begin(): (progress: StoreProgress) => void {
    const wasDemanded = this.#isDemanded;
    this.#isDemanded = false;
    return ({ steps, journalBytes }) => {
      this.#isDemanded ||= wasDemanded;
      this.#retryAt = { step: steps + RETRY_STEPS, bytes: journalBytes + RETRY_BYTES };
    };
  }

  /** One is done. */
  succeed(): void {
    this.#retryAt = { step: 0, bytes: 0 };
  }
}
