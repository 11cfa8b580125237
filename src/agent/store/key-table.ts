// A map whose keys are those of resources, without a text for each: of half a million keys the texts would be half of
// what reading them costs, and of the memory.
import { type Address, samePrefix } from '../../model/address.js';
import type { ResourceKey } from '../../model/resource.js';

/** Slots at first; always a power of two. Half of them may be taken. */
const FIRST_SLOTS = 16;

/** Values by key, in the order in which the keys came. */
export class KeyTable<V extends object> {
  /** In order; undefined where one was deleted. */
  #keys: (ResourceKey | undefined)[] = [];
  #values: (V | undefined)[] = [];
  #hashes = new Int32Array(FIRST_SLOTS / 2);
  /** Places in these, counted from 1, at the hash or in the next free slot after it; 0 is free. */
  #slots = new Int32Array(FIRST_SLOTS);
  /** Those that were not deleted. */
  #size = 0;

  set(key: ResourceKey, value: V): void {
    const hash = hashOf(key);
    const place = this.#find(key, hash);
    if (place !== 0) {
      this.#values[place - 1] = value;
      return;
    }
    // The slot of a deleted one stays taken until the table grows, so that others are found beyond it.
    if (this.#keys.length === this.#hashes.length) this.#grow();
    this.#hashes[this.#keys.length] = hash;
    this.#keys.push(key);
    this.#values.push(value);
    this.#size++;
    this.#occupy(hash, this.#keys.length);
  }

  delete(key: ResourceKey): void {
    const place = this.#find(key, hashOf(key));
    if (place === 0) return;
    this.#keys[place - 1] = undefined;
    this.#values[place - 1] = undefined;
    this.#size--;
  }

  *values(): Generator<V> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  /** The place of a key, counted from 1; 0 if it is not there. */
  #find(key: ResourceKey, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = this.#slots[slot] ?? 0;
      if (place === 0) return 0;
      if (this.#hashes[place - 1] !== hash) continue;
      const held = this.#keys[place - 1];
      if (held !== undefined && sameKey(held, key)) return place;
    }
  }

  #occupy(hash: number, place: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = place;
  }

  /** Makes room for twice as many, and lets go of what was deleted. */
  #grow(): void {
    const [keys, values, hashes] = [this.#keys, this.#values, this.#hashes];
    let length = FIRST_SLOTS;
    while (length < 4 * (this.#size + 1)) length *= 2;
    this.#keys = [];
    this.#values = [];
    this.#hashes = new Int32Array(length / 2);
    this.#slots = new Int32Array(length);
    for (const [index, key] of keys.entries()) {
      if (key === undefined) continue;
      const hash = hashes[index] ?? 0;
      this.#hashes[this.#keys.length] = hash;
      this.#keys.push(key);
      this.#values.push(values[index]);
      this.#occupy(hash, this.#keys.length);
    }
  }
}

function sameKey(a: ResourceKey, b: ResourceKey): boolean {
  switch (a.kind) {
    case 'mroute':
      return b.kind === 'mroute' && a.iif === b.iif && samePrefix(a.group, b.group) && samePrefix(a.source, b.source);
    case 'membership':
      return (
        b.kind === 'membership' &&
        a.interface === b.interface &&
        samePrefix(a.group, b.group) &&
        samePrefix(a.source, b.source)
      );
    case 'interface':
      return b.kind === 'interface' && a.name === b.name;
  }
}

/** 32 bits, signed. Lengths of prefixes and kinds are left out: they seldom make the difference. */
function hashOf(key: ResourceKey): number {
  switch (key.kind) {
    case 'mroute':
      return finish(addAddress(addAddress(addText(1, key.iif), key.source.address), key.group.address));
    case 'membership':
      return finish(addAddress(addAddress(addText(2, key.interface), key.source.address), key.group.address));
    case 'interface':
      return finish(addText(3, key.name));
  }
}

function addText(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = add(hash, text.charCodeAt(i));
  return hash;
}

function addAddress(hash: number, { words }: Address): number {
  for (const word of words) hash = add(hash, word);
  return hash;
}

/** As murmur3 takes a word in. */
function add(hash: number, word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  const turned = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  const next = hash ^ turned;
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0x6b64e654) | 0;
}

/** The end of murmur3, after which the low bits are as good as any. */
function finish(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
