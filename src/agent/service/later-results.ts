// Operations of a session whose entries were pending or failed: each has another result when its state changes.
import type { AppliedResult } from '../../api/apply-encoder.js';
import type { ModifyWriter } from '../../api/modify-encoder.js';
import { TRACKED_OPERATIONS_MAX } from '../../model/limits.js';
import type { State } from '../../model/resource.js';
import type { Engine } from '../engine.js';
import type { ChangedKeys } from '../rib/history.js';
import type { Slot } from '../rib/slot.js';

/** An operation, and what was told of it last. */
interface Operation extends Pick<AppliedResult, 'id' | 'effect'> {
  readonly state: State;
  /** Its batch; there is no later result before the first one. */
  readonly batch: number;
}

/** Bytes of one message. */
const MESSAGE_BYTES = 32 * 1024;

export class LaterResults {
  readonly #engine: Pick<Engine, 'entryOf' | 'revision'>;
  readonly #owner: string;
  /** The last operation of each key. */
  readonly #operations = new Map<Slot, Operation>();
  /** The keys of those whose states may be others. */
  readonly #changed = new Set<Slot>();
  readonly #limit: number;

  constructor(engine: Pick<Engine, 'entryOf' | 'revision'>, owner: string, limit = TRACKED_OPERATIONS_MAX) {
    this.#engine = engine;
    this.#owner = owner;
    this.#limit = limit;
  }

  /** Another operation is about the key. */
  forget(slot: Slot): void {
    if (this.#operations.delete(slot)) this.#changed.delete(slot);
  }

  /** Follows an operation, unless too many are followed already. */
  follow(slot: Slot, operation: Operation): void {
    if (this.#operations.size < this.#limit) this.#operations.set(slot, operation);
  }

  /** Forgets the operations of a batch, which was not done after all. */
  forgetBatch(batch: number): void {
    for (const [slot, operation] of this.#operations) if (operation.batch === batch) this.forget(slot);
  }

  /** Takes note of keys that changed. Whether any operation is about them. */
  note(keys: ChangedKeys): boolean {
    if (this.#operations.size === 0) return false;
    const before = this.#changed.size;
    for (const slot of keys) if (this.#operations.has(slot)) this.#changed.add(slot);
    return this.#changed.size > before;
  }

  /**
   * Makes a message of results that are due.
   *
   * @param lastBatch the last one whose results were sent
   * @returns undefined if there are none.
   */
  next(writer: ModifyWriter, lastBatch: number): Buffer | undefined {
    let count = 0;
    for (const slot of this.#changed) {
      const operation = this.#operations.get(slot);
      if (operation !== undefined && operation.batch > lastBatch) continue;
      this.#changed.delete(slot);
      if (operation !== undefined && this.#write(writer, slot, operation)) count++;
      if (writer.length >= MESSAGE_BYTES) break;
    }
    return count === 0 ? undefined : writer.take({ revision: this.#engine.revision });
  }

  /** Writes the result of an operation if its state is another one. */
  #write(writer: ModifyWriter, slot: Slot, operation: Operation): boolean {
    const { id, effect, batch } = operation;
    const entry = this.#engine.entryOf(slot, this.#owner);
    if (entry === undefined) {
      // Somebody else has taken it away.
      this.#operations.delete(slot);
      return false;
    }
    const { state } = entry.status;
    if (state === operation.state) return false;
    writer.result({ id, effect, warnings: [], entry });
    if (state === 'programmed') this.#operations.delete(slot);
    else this.#operations.set(slot, { id, effect, state, batch });
    return true;
  }
}
