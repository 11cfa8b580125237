// Which name has which vif number, noted where the next agent of the table finds it: in a file in memory that is kept
// with the sockets, so that the note lives exactly as long as what it is about.
import { readSync, writeSync } from 'node:fs';
import { FAMILIES, type Family } from '../../model/address.js';
import { INTERFACE_NAME_MAX, VIF_LIMIT } from '../../model/limits.js';
import type { VifName } from './port.js';

export type VifNames = ReadonlyMap<Family, ReadonlyMap<number, VifName>>;

/** First bytes of the note, with its version. */
const MAGIC = Buffer.from('mcvifs1\n', 'latin1');

/** A name with zeros behind it, then a byte that is 1 if no entry has the number. */
const NAME_BYTES = INTERFACE_NAME_MAX + 1;

/** A name for each number of each family, IPv4's first. */
const NOTE_BYTES = MAGIC.length + FAMILIES.length * VIF_LIMIT * NAME_BYTES;

/** A place for the note that outlives the agent. */
export class VifNameNote {
  readonly fd: number;
  readonly #names = new Map<Family, ReadonlyMap<number, VifName>>();

  constructor(fd: number) {
    this.fd = fd;
  }

  /** What is noted; undefined if nothing is. */
  read(): VifNames | undefined {
    const note = Buffer.alloc(NOTE_BYTES);
    const length = readSync(this.fd, note, 0, NOTE_BYTES, 0);
    return length === NOTE_BYTES ? decodeVifNames(note) : undefined;
  }

  /** Notes the names of one family; those of the other stay. */
  write(family: Family, names: ReadonlyMap<number, VifName>): void {
    // Of the other family the note of an agent before this one stands until there is a new one.
    if (this.#names.size === 0) for (const [each, noted] of this.read() ?? []) this.#names.set(each, noted);
    this.#names.set(family, names);
    // One write within one page: nothing can end the process in the middle of it.
    writeSync(this.fd, encodeVifNames(this.#names), 0, NOTE_BYTES, 0);
  }
}

export function encodeVifNames(names: VifNames): Buffer {
  const note = Buffer.alloc(NOTE_BYTES);
  MAGIC.copy(note);
  for (const [index, family] of FAMILIES.entries()) {
    for (const [number, { name, isUnused }] of names.get(family) ?? []) {
      const place = placeOf(index, number);
      note.write(name, place, INTERFACE_NAME_MAX, 'utf8');
      note.writeUInt8(isUnused ? 1 : 0, place + INTERFACE_NAME_MAX);
    }
  }
  return note;
}

/** Undefined if it is none, or of another version. */
export function decodeVifNames(note: Buffer): VifNames | undefined {
  if (note.length !== NOTE_BYTES || !note.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const all = new Map<Family, ReadonlyMap<number, VifName>>();
  for (const [index, family] of FAMILIES.entries()) {
    const names = new Map<number, VifName>();
    for (let number = 0; number < VIF_LIMIT; number++) {
      const place = placeOf(index, number);
      const name = note.toString('utf8', place, place + INTERFACE_NAME_MAX).replace(/\0.*$/s, '');
      if (name !== '') names.set(number, { name, isUnused: note[place + INTERFACE_NAME_MAX] === 1 });
    }
    all.set(family, names);
  }
  return all;
}

function placeOf(familyIndex: number, number: number): number {
  return MAGIC.length + (familyIndex * VIF_LIMIT + number) * NAME_BYTES;
}
