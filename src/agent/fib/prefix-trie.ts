// A path-compressed binary trie over prefixes: what covers an address and what a prefix covers, without asking all.
import type { Address, Prefix } from '../../model/address.js';

/** Stands for a prefix: that of its value, or where two prefixes part. */
interface Node<Value> {
  /** Only the first `length` bits count. */
  readonly address: Address;
  readonly length: number;
  value: Value | undefined;
  zero: Node<Value> | undefined;
  one: Node<Value> | undefined;
}

/** Values by prefix, of one family. */
export class PrefixTrie<Value> {
  #root: Node<Value> | undefined;

  set(prefix: Prefix, value: Value): void {
    this.#root = insert(this.#root, prefix, value);
  }

  delete(prefix: Prefix): void {
    this.#root = remove(this.#root, prefix);
  }

  /** The values of all prefixes that hold the address, shorter prefixes first. */
  covering(prefix: Prefix): Value[] {
    const values: Value[] = [];
    for (let node = this.#root; node !== undefined && isAbove(node, prefix); node = childFor(node, prefix.address)) {
      if (node.value !== undefined) values.push(node.value);
    }
    return values;
  }

  /** The values of all prefixes that the prefix covers. */
  covered(prefix: Prefix): Value[] {
    let node = this.#root;
    while (node !== undefined && node.length < prefix.length) {
      node = isAbove(node, prefix) ? childFor(node, prefix.address) : undefined;
    }
    const values: Value[] = [];
    if (node !== undefined && commonLength(node, prefix) === prefix.length) collect(node, values);
    return values;
  }
}

function insert<Value>(node: Node<Value> | undefined, prefix: Prefix, value: Value): Node<Value> {
  const { address } = prefix;
  if (node === undefined) return { address, length: prefix.length, value, zero: undefined, one: undefined };
  const length = commonLength(node, prefix);
  if (length === node.length) {
    if (length === prefix.length) node.value = value;
    else setChild(node, address, insert(childFor(node, address), prefix, value));
    return node;
  }
  const isAtPrefix = length === prefix.length;
  const branch: Node<Value> = {
    address,
    length,
    value: isAtPrefix ? value : undefined,
    zero: undefined,
    one: undefined,
  };
  setChild(branch, node.address, node);
  if (!isAtPrefix) setChild(branch, address, insert(undefined, prefix, value));
  return branch;
}

function remove<Value>(node: Node<Value> | undefined, prefix: Prefix): Node<Value> | undefined {
  if (node === undefined || !isAbove(node, prefix)) return node;
  if (node.length === prefix.length) node.value = undefined;
  else setChild(node, prefix.address, remove(childFor(node, prefix.address), prefix));
  if (node.value !== undefined || (node.zero !== undefined && node.one !== undefined)) return node;
  return node.zero ?? node.one;
}

function collect<Value>(node: Node<Value>, values: Value[]): void {
  if (node.value !== undefined) values.push(node.value);
  if (node.zero !== undefined) collect(node.zero, values);
  if (node.one !== undefined) collect(node.one, values);
}

function childFor<Value>(node: Node<Value>, address: Address): Node<Value> | undefined {
  return bitAt(address, node.length) === 0 ? node.zero : node.one;
}

function setChild<Value>(node: Node<Value>, address: Address, child: Node<Value> | undefined): void {
  if (bitAt(address, node.length) === 0) node.zero = child;
  else node.one = child;
}

/** Whether the node's prefix covers the prefix. */
function isAbove<Value>(node: Node<Value>, prefix: Prefix): boolean {
  return commonLength(node, prefix) === node.length;
}

/** Bit `position` of the address, the most significant first; 0 behind the last. */
function bitAt(address: Address, position: number): number {
  return ((address.words[position >>> 5] ?? 0) >>> (31 - (position & 31))) & 1;
}

/** How many leading bits both prefixes have in common. */
function commonLength(a: Prefix, b: Prefix): number {
  const most = Math.min(a.length, b.length);
  for (let word = 0; 32 * word < most; word++) {
    const differing = (a.address.words[word] ?? 0) ^ (b.address.words[word] ?? 0);
    if (differing !== 0) return Math.min(most, 32 * word + Math.clz32(differing));
  }
  return most;
}
