// Makes wishes outlive the agent: each step is in the journal before the engine takes it, and on the disk before anybody
// is told of it.
import type { Engine, WishJournal } from './engine.js';
import type { Step } from './rib/rib.js';
import { freezeWishes } from './store/frozen-wishes.js';
import type { WishStore } from './store/wish-store.js';

/** What is asked of the store. */
export type Store = Pick<WishStore, 'append' | 'sync' | 'snapshot' | 'wantsSnapshot' | 'close'>;

/** What is asked of the engine whose steps are saved. */
export type SavedEngine = Pick<Engine, 'takeBack' | 'resources' | 'revision'>;

export class DurableWishes implements WishJournal {
  readonly #store: Store;
  readonly #unsavedOwner: string | undefined;
  readonly #syncOthers: (() => Promise<void>) | undefined;
  #engine: SavedEngine | undefined;
  /** Steps that the engine has taken and the disk may not have, the oldest first. */
  #unsaved: Step[] = [];
  /** Steps that the disk has since the start. */
  #saved = 0;
  #snapshot: Promise<void> | undefined;

  /**
   * @param unsavedOwner whose wishes are in a file of their own.
   * @param syncOthers makes durable what must be before a snapshot is.
   */
  constructor(store: Store, unsavedOwner?: string, syncOthers?: () => Promise<void>) {
    this.#store = store;
    this.#unsavedOwner = unsavedOwner;
    this.#syncOthers = syncOthers;
  }

  /** The engine whose steps come here, with the saved wishes; to be told before the first step. */
  attach(engine: SavedEngine): void {
    this.#engine = engine;
    this.#beginSnapshot();
  }

  append(step: Step, revision: bigint): void {
    if (step.owner === this.#unsavedOwner) return;
    try {
      this.#store.append(step, revision);
    } catch (error) {
      // What the journal cannot take any more a snapshot may cure, for later steps. It must not have this one, which the
      // engine takes back in this turn.
      queueMicrotask(() => {
        this.#beginSnapshot();
      });
      throw error;
    }
    this.#unsaved.push(step);
  }

  /**
   * Resolves when all steps until now are on the disk. To be called in the turn in which they were taken.
   *
   * @throws StorageError if they cannot be; the engine has taken back by then all that are not.
   */
  async settled(): Promise<void> {
    const last = this.#saved + this.#unsaved.length;
    try {
      await this.#store.sync();
    } catch (error) {
      this.#takeBackUnsaved();
      this.#beginSnapshot();
      throw error;
    }
    // Another call may have noted more of them already.
    if (last > this.#saved) {
      this.#unsaved.splice(0, last - this.#saved);
      this.#saved = last;
    }
    this.#beginSnapshot();
  }

  async close(): Promise<void> {
    await this.#snapshot;
    await this.#store.close();
  }

  #takeBackUnsaved(): void {
    if (this.#unsaved.length > 0) this.#engine?.takeBack(this.#unsaved.splice(0));
  }

  #beginSnapshot(): void {
    if (this.#snapshot !== undefined || this.#engine === undefined || !this.#store.wantsSnapshot) return;
    const wishes = freezeWishes(this.#engine.resources(), this.#unsavedOwner);
    this.#snapshot = this.#store.snapshot(wishes, this.#engine.revision, this.#syncOthers).finally(() => {
      this.#snapshot = undefined;
    });
  }
}
