// Gives memory back after work. V8 collects when it allocates: what a burst of work leaves behind would stay as long as
// nothing else happens, many times the memory that is in use.
import { type PerformanceEntry, PerformanceObserver, constants, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the collector knows of the process, and does to it. */
export interface Surroundings {
  /** Calls back once after so many ms; the process does not wait for it. */
  readonly schedule: (callback: () => void, ms: number) => void;
  /** The part of the time since the last call that the event loop was busy, 0 to 1. */
  readonly busyPart: () => number;
  /** Bytes of the heap that are in use, garbage too. */
  readonly heapBytes: () => number;
  /** Collects all garbage and gives free memory back; tells how many ms that took, in which nothing else was done. */
  readonly collect: () => number;
}

/**
 * Time between two looks at whether there is work, in ms. V8 makes the space of young objects small again only in a
 * collection before which little was allocated for 5 s.
 */
const LOOK_MS = 6_000;

/** The event loop of an idle process is busy for a smaller part of the time. */
const BUSY_PART = 0.05;

/** Bytes that may have come since the last collection before there is another. */
const GARBAGE_MIN = 2 * 1024 * 1024;

/** A collection takes about a millisecond for each MB that is in use. Larger heaps are left to V8, which does it in small steps. */
const HEAP_MAX = 256 * 1024 * 1024;

/** Collections take at most one part in so many of all time. */
const REST_FACTOR = 100;

/** Collects all garbage once the process has been idle for some seconds after it made much. Without work it does nothing. */
export class IdleCollector {
  readonly #surroundings: Surroundings;
  #isLooking = false;
  /** In use after the last collection. */
  #leastBytes = 0;
  /** Looks that the last collection has earned a rest of. */
  #restLooks = 0;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** There is garbage, or there has been; looks from now on whether the process is idle, until it is. */
  onGarbage(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    // Of the time from here on.
    this.#surroundings.busyPart();
    this.#lookLater();
  }

  #lookLater(): void {
    this.#surroundings.schedule(() => {
      this.#look();
    }, LOOK_MS);
  }

  #look(): void {
    const { busyPart, heapBytes, collect } = this.#surroundings;
    this.#restLooks = Math.max(0, this.#restLooks - 1);
    if (busyPart() > BUSY_PART || this.#restLooks > 0) {
      this.#lookLater();
      return;
    }
    this.#isLooking = false;
    const bytes = heapBytes();
    if (bytes > HEAP_MAX || bytes - this.#leastBytes < GARBAGE_MIN) return;
    this.#restLooks = Math.ceil((collect() * REST_FACTOR) / LOOK_MS);
    this.#leastBytes = heapBytes();
  }
}

/**
 * By how much, in per cent, the old objects may grow between two collections of all garbage. V8 would let them grow to four
 * times what is in use.
 */
const GROWTH_PERCENT = 50;

/**
 * Keeps the heap of this process small from now on: garbage is collected sooner than V8 would, and whenever the process is
 * idle; what it has now is garbage already.
 */
export function keepHeapSmall(trimHeap: () => void): void {
  // After the start: the code that V8 compiled beforehand is for the flags of then.
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  let before = performance.eventLoopUtilization();
  const collector = new IdleCollector({
    schedule: (callback, ms) => {
      setTimeout(callback, ms).unref();
    },
    busyPart: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    heapBytes: () => getHeapStatistics().used_heap_size,
    collect: () => {
      const begin = performance.now();
      collectAll();
      trimHeap();
      return performance.now() - begin;
    },
  });
  // V8 tells of each collection; those of young objects are what work brings.
  const observer = new PerformanceObserver((entries) => {
    if (entries.getEntries().some(isOfYoung)) collector.onGarbage();
  });
  observer.observe({ entryTypes: ['gc'] });
  collector.onGarbage();
}

/** An entry of the type that is observed. */
interface GarbageEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

function isOfYoung(entry: PerformanceEntry): boolean {
  return (entry as GarbageEntry).detail.kind === constants.NODE_PERFORMANCE_GC_MINOR;
}

/** After one collection V8 often keeps the space of young objects and half-empty pages; after three in a row seldom. */
const COLLECTIONS = 3;

/** Some seconds later V8 collects again by itself, and then gives back what its spaces do not need (MemoryReducer). */
function collectAll(): void {
  // Only a context that is made with the flag has the function. While it is set, V8 would refuse the code that Node's
  // modules come with.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  for (let count = 0; count < COLLECTIONS; count++) collect();
}

/**
 * Keeps the space of young objects as small as it is now, for a program that others can make work as much as they like: V8
 * would let it grow to 32 MB, and collects it about as fast when it is small (NewSpace::Grow).
 */
export function keepYoungSpaceSmall(): void {
  // After the start, as above.
  setFlagsFromString('--semi-space-growth-factor=1');
}
