// What an engine does for its wishes, and nothing else of it: a rib whose steps go to a journal.
import type { SavedEngine } from '../../src/agent/durable-wishes.js';
import type { StepNote, WishJournal } from '../../src/agent/engine.js';
import { type OwnedResource, Rib, type Step, reverseStep } from '../../src/agent/rib/rib.js';

const NOTE: StepNote = {
  origin: { method: 'Apply' },
  effects: { added: 0, changed: 0, removed: 0, unchanged: 0 },
};

export class SavedRib implements SavedEngine {
  readonly #rib = new Rib();
  readonly #journal: WishJournal;
  #revision = 0n;

  constructor(journal: WishJournal) {
    this.#journal = journal;
  }

  get revision(): bigint {
    return this.#revision;
  }

  *resources(): Iterable<OwnedResource> {
    for (const { held } of this.#rib.slots()) for (const { owner, resource } of held) yield { owner, resource };
  }

  /** In the order of `Engine.apply`: the rib has the step when the journal has it. */
  take(step: Step): void {
    this.#journal.append(step, this.#revision + 1n, NOTE);
    this.#rib.commit(step);
    this.#revision++;
  }

  takeBack(steps: readonly Step[]): void {
    for (const step of steps.toReversed()) this.#rib.commit(reverseStep(step));
    this.#revision++;
  }
}
