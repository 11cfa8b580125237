// What a session has changed, by the answers that it gets. Pure.
import { UNUSUAL, WireCursor } from '../api/wire-cursor.js';

/** Counts of ModifyResponse. */
export interface SessionChanges {
  readonly revision: number | bigint;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly refused: number;
}

/** Fields of ModifyResponse by their tags: all of them varints. */
const TAG = { revision: 0x08, added: 0x28, changed: 0x30, removed: 0x38, refused: 0x48 } as const;

const cursor = new WireCursor();

/** Adds up the counts of answers. */
export class SessionCounter {
  #revision: number | bigint = 0;
  #added = 0;
  #changed = 0;
  #removed = 0;
  #refused = 0;

  /** Reads the counts of an answer, and skips the rest. */
  add(message: Buffer): void {
    cursor.begin(message);
    const end = message.length;
    while (cursor.at < end) {
      const tag = message[cursor.at++] ?? 0;
      if (tag === TAG.revision) {
        this.#revision = cursor.varint64(end);
      } else if (tag === TAG.added) {
        this.#added += Math.max(0, cursor.varint(end));
      } else if (tag === TAG.changed) {
        this.#changed += Math.max(0, cursor.varint(end));
      } else if (tag === TAG.removed) {
        this.#removed += Math.max(0, cursor.varint(end));
      } else if (tag === TAG.refused) {
        this.#refused += Math.max(0, cursor.varint(end));
      } else if (!cursor.skip(tag, 0, end)) {
        return;
      }
    }
  }

  /** There is something to tell. */
  get hasChanges(): boolean {
    return this.#added + this.#changed + this.#removed + this.#refused > 0;
  }

  /** The sums since the last time. */
  take(): SessionChanges {
    const changes = {
      revision: this.#revision === UNUSUAL ? 0 : this.#revision,
      added: this.#added,
      changed: this.#changed,
      removed: this.#removed,
      refused: this.#refused,
    };
    this.#added = this.#changed = this.#removed = this.#refused = 0;
    return changes;
  }
}
