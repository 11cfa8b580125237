// The names of interfaces: a host has a few, and requests name them over and over.
import { isInterfaceName } from '../model/interface.js';
import { INTERFACE_NAME_MAX } from '../model/limits.js';

/** Names that are remembered; a power of two. A new one takes the place of another. */
const NAMES_MAX = 256;

interface Name {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Gives the text of a name, mostly the one that it gave before. */
export class NameCache {
  readonly #names = new Array<Name | undefined>(NAMES_MAX).fill(undefined);

  /** The name or wildcard with these bytes; undefined if no interface can have it. */
  find(bytes: Buffer, start: number, end: number): string | undefined {
    const length = end - start;
    if (length > INTERFACE_NAME_MAX) return undefined;
    let hash = 0;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
    // Low bits of names that end alike are alike.
    const slot = (hash ^ (hash >>> 8)) & (NAMES_MAX - 1);
    const known = this.#names[slot];
    if (known !== undefined && isAt(known.bytes, bytes, start, length)) return known.text;
    const text = bytes.toString('utf8', start, end);
    if (!isInterfaceName(text)) return undefined;
    this.#names[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), text };
    return text;
  }
}

function isAt(name: Uint8Array, bytes: Buffer, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = length - 1; i >= 0; i--) if (name[i] !== bytes[start + i]) return false;
  return true;
}
