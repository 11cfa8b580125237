// Tells who listens of the flows that were learned, later and in one go, so that a listener may take its time.
import type { Fib } from '../fib/fib.js';
import type { LearnedFlow, UpcallEvent } from '../kernel/port.js';

export type InstalledListener = (flows: readonly LearnedFlow[]) => void;

export class InstalledFlows {
  readonly #fib: Pick<Fib, 'isLearned'>;
  #listener: InstalledListener | undefined;
  /** Flows that were learned since the listener was called. */
  #flows: LearnedFlow[] = [];

  constructor(fib: Pick<Fib, 'isLearned'>) {
    this.#fib = fib;
  }

  listen(listener: InstalledListener): void {
    this.#listener = listener;
  }

  /** To be called before the fib has the events, so that after a resync it can tell which flows are new. */
  note(events: readonly UpcallEvent[]): void {
    if (this.#listener === undefined) return;
    const flows = events.flatMap((event) => {
      if (event.event === 'learned') return event.flow;
      if (event.event !== 'resync') return [];
      return event.flows.filter(({ source, group }) => !this.#fib.isLearned(source, group));
    });
    if (flows.length === 0) return;
    if (this.#flows.length === 0) {
      setImmediate(() => {
        this.#tell();
      });
    }
    for (const flow of flows) this.#flows.push(flow);
  }

  /** Nobody is told any more. */
  close(): void {
    this.#listener = undefined;
  }

  /** Some may have gone or have other entries by now. */
  #tell(): void {
    const flows = this.#flows.filter(({ source, group }) => this.#fib.isLearned(source, group));
    this.#flows = [];
    if (flows.length > 0) this.#listener?.(flows);
  }
}
