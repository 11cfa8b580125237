// The history of a table whose wishes are not saved: it ends with the agent, as they do.
import { HISTORY_DIFFERENCES_IN_MEMORY_MAX, HISTORY_ENTRIES_PER_GENERATION_MAX } from '../../model/limits.js';
import type { Step } from '../rib/rib.js';
import type { Undo } from '../rib/restore.js';
import type { HistoryEntry } from './entry.js';
import type { KeptRecord, Records } from './records.js';

interface Generation {
  readonly number: number;
  entries: number;
  differences: number;
}

export class MemoryRecords implements Records {
  readonly #generations: Generation[] = [];
  #nextNumber = 1;

  get generations(): readonly number[] {
    return this.#generations.map(({ number }) => number);
  }

  get isFull(): boolean {
    const last = this.#generations.at(-1);
    return (
      last === undefined ||
      last.entries >= HISTORY_ENTRIES_PER_GENERATION_MAX ||
      last.differences >= HISTORY_DIFFERENCES_IN_MEMORY_MAX
    );
  }

  beginGeneration(): void {
    this.#begin();
  }

  dropOldest(): void {
    this.#generations.shift();
  }

  append(_entry: HistoryEntry, undone: Step | undefined, isNeeded: boolean): KeptRecord {
    const last = this.#generations.at(-1) ?? this.#begin();
    const size = undone?.differences.length ?? 0;
    const isKept = undone !== undefined && (isNeeded || size <= HISTORY_DIFFERENCES_IN_MEMORY_MAX);
    last.entries++;
    if (isKept) last.differences += size;
    return {
      generation: last.number,
      undo: isKept ? () => undoOf(undone) : undefined,
      cut: () => {
        last.entries--;
        if (isKept) last.differences -= size;
      },
    };
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  remove(): void {
    this.#generations.length = 0;
  }

  #begin(): Generation {
    const generation = { number: this.#nextNumber++, entries: 0, differences: 0 };
    this.#generations.push(generation);
    return generation;
  }
}

function undoOf({ differences }: Step): Undo {
  return {
    puts: differences.flatMap(({ before }) => before ?? []),
    deletes: differences.flatMap(({ key, before }) => (before === undefined ? key : [])),
  };
}
