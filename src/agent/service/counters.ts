// What the kernel counted, read for many entries at once and kept as words: no object and no bigint for each.
import type { CounterWords } from '../../api/entry-encoder.js';
import { type Address, FAMILIES, type Family } from '../../model/address.js';
import { mrouteFamily } from '../../model/mroute.js';
import type { EntryView, Engine, WishId } from '../engine.js';
import type { FlowKey } from '../kernel/port.js';

/** What counters are asked of. */
export type CounterSource = Pick<Engine, 'countFlows' | 'ruleFlows' | 'families'>;

/** Keys of one native call, and the words of a key and of its counters; see `KernelPort.countFlows`. */
const KEYS_PER_READ = 1_000;
const KEY_WORDS = 8;
const COUNTER_WORDS = 6;

/** Both words of a counter of what is not there. */
const ABSENT = 0xffff_ffff;

/** Sums of the counters of flows, each under an index of the caller's. */
export class CounterSums {
  /** COUNTER_WORDS for each index; words of more than 32 bits until `of` carries. */
  readonly #sums: Float64Array;
  readonly #isThere: Uint8Array;
  readonly #batches: Readonly<Record<Family, Batch>>;
  readonly #source: Pick<CounterSource, 'countFlows'>;

  /** @param size indexes are below it */
  constructor(source: Pick<CounterSource, 'countFlows'>, size: number) {
    this.#source = source;
    this.#sums = new Float64Array(size * COUNTER_WORDS);
    this.#isThere = new Uint8Array(size);
    this.#batches = { ipv4: new Batch(), ipv6: new Batch() };
  }

  /** Forgets all sums. */
  clear(): void {
    this.#sums.fill(0);
    this.#isThere.fill(0);
  }

  /** Asks for the counters of a flow, to be added to those of the index. */
  add(index: number, { source, group }: FlowKey): void {
    const batch = this.#batches[group.family];
    batch.push(index, source, group);
    if (batch.length === KEYS_PER_READ) this.#read(group.family);
  }

  /** Reads what was asked for. */
  read(): void {
    for (const family of FAMILIES) if (this.#batches[family].length > 0) this.#read(family);
  }

  /** Undefined where no flow was there. They hold until the next `clear`. */
  of(index: number): CounterWords | undefined {
    if (this.#isThere[index] !== 1) return undefined;
    return carry({ words: this.#sums, at: index * COUNTER_WORDS });
  }

  #read(family: Family): void {
    const batch = this.#batches[family];
    const sums = this.#sums;
    const counters = this.#source.countFlows(family, batch.keys());
    for (let flow = 0; flow < batch.length; flow++) {
      const from = flow * COUNTER_WORDS;
      if (counters[from] === ABSENT && counters[from + 1] === ABSENT) continue;
      const index = batch.indexAt(flow);
      this.#isThere[index] = 1;
      const to = index * COUNTER_WORDS;
      for (let word = 0; word < COUNTER_WORDS; word++) {
        sums[to + word] = (sums[to + word] ?? 0) + (counters[from + word] ?? 0);
      }
    }
    batch.length = 0;
  }
}

const WORD = 2 ** 32;

interface Sums extends CounterWords {
  readonly words: Float64Array;
}

/** Has the upper words take what is too much for the lower ones. */
function carry(sums: Sums): CounterWords {
  const { words, at } = sums;
  for (let low = at; low < at + COUNTER_WORDS; low += 2) {
    const sum = words[low] ?? 0;
    if (sum <= ABSENT) continue;
    words[low] = sum % WORD;
    // A counter of 64 bits begins again at 0.
    words[low + 1] = ((words[low + 1] ?? 0) + Math.floor(sum / WORD)) % WORD;
  }
  return sums;
}

/** Flows that wait to be asked for. */
class Batch {
  readonly #keys = new Uint32Array(KEYS_PER_READ * KEY_WORDS);
  readonly #indexes = new Uint32Array(KEYS_PER_READ);
  length = 0;

  /** Of one family always: words that its addresses do not have stay zero. */
  push(index: number, source: Address | undefined, { words }: Address): void {
    const at = this.length * KEY_WORDS;
    const keys = this.#keys;
    for (let word = 0; word < words.length; word++) {
      keys[at + word] = source === undefined ? 0 : (source.words[word] ?? 0);
      keys[at + KEY_WORDS / 2 + word] = words[word] ?? 0;
    }
    this.#indexes[this.length++] = index;
  }

  keys(): Uint32Array {
    return this.#keys.subarray(0, this.length * KEY_WORDS);
  }

  indexAt(flow: number): number {
    return this.#indexes[flow] ?? 0;
  }
}

/** Reads the counters of rules, block by block of a list of them. */
export class RuleCounters {
  readonly #source: CounterSource;
  readonly #sums: CounterSums;
  #shared: ReadonlyMap<WishId, CounterWords> | undefined;

  /** @param size of the largest block */
  constructor(source: CounterSource, size: number) {
    this.#source = source;
    this.#sums = new CounterSums(source, size);
  }

  /**
   * Reads the counters of a block.
   *
   * @returns what gives those of an entry by its index in the block, until the next one is read; undefined for what is not
   * in the kernel's forwarding cache.
   */
  read(block: readonly EntryView[]): (index: number) => CounterWords | undefined {
    // What was learned or has gone since the last block counts.
    const flows = this.#source.ruleFlows();
    const shared = new Map<number, WishId>();
    this.#sums.clear();
    let index = 0;
    for (const { held, resource } of block) {
      // All owners have the same rule, and a part in the same entries.
      const [id] = held;
      const own =
        resource.key.kind === 'mroute' && id !== undefined ? flows.of(mrouteFamily(resource.key), id) : NO_FLOWS;
      if (own === undefined && id !== undefined) shared.set(index, id);
      else for (const flow of own ?? NO_FLOWS) this.#sums.add(index, flow);
      index++;
    }
    this.#sums.read();
    if (shared.size === 0) return (at) => this.#sums.of(at);
    return (at) => {
      const id = shared.get(at);
      return id === undefined ? this.#sums.of(at) : this.#sharedOf(id);
    };
  }

  /** Of entries that many rules share all counters are read at once, with the first of these rules. */
  #sharedOf(id: WishId): CounterWords | undefined {
    this.#shared ??= readShared(this.#source);
    return this.#shared.get(id);
  }
}

const NO_FLOWS: readonly never[] = [];

/** Asks for each entry once, however many rules have a part in it. */
function readShared(source: CounterSource): ReadonlyMap<WishId, CounterWords> {
  const ruleFlows = source.ruleFlows();
  const flows = source.families.flatMap((family) => [...ruleFlows.shared(family)]);
  const counters = new CounterSums(source, flows.length);
  for (const [index, flow] of flows.entries()) counters.add(index, flow);
  counters.read();
  const sums = new Map<WishId, Sums>();
  for (const [index, { ids }] of flows.entries()) {
    const counted = counters.of(index);
    if (counted === undefined) continue;
    for (const id of ids) {
      const sum = sums.get(id) ?? { words: new Float64Array(COUNTER_WORDS), at: 0 };
      sums.set(id, sum);
      for (let word = 0; word < COUNTER_WORDS; word++) {
        sum.words[word] = (sum.words[word] ?? 0) + (counted.words[counted.at + word] ?? 0);
      }
    }
  }
  for (const sum of sums.values()) carry(sum);
  return sums;
}
