// A Map and a Set that cost little while they have one entry: of many thousand groups nearly all have one.

/** What is asked of maps here, whether small or not. */
export interface Entries<Key extends number | string, Value> extends Iterable<readonly [Key, Value]> {
  readonly size: number;
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  keys(): Iterable<Key>;
  values(): Iterable<Value>;
}

export class SmallMap<Key extends number | string, Value> implements Entries<Key, Value> {
  /** Of the only entry, while there is one. */
  #key: Key | undefined;
  #value: Value | undefined;
  /** All entries, since there was more than one. */
  #map: Map<Key, Value> | undefined;

  get size(): number {
    return this.#map === undefined ? Number(this.#key !== undefined) : this.#map.size;
  }

  get(key: Key): Value | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    return this.#key === key ? this.#value : undefined;
  }

  has(key: Key): boolean {
    return this.#map === undefined ? this.#key === key : this.#map.has(key);
  }

  set(key: Key, value: Value): this {
    if (this.#map !== undefined) this.#map.set(key, value);
    else if (this.#key === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else {
      this.#map = new Map<Key, Value>().set(this.#key, this.#value as Value).set(key, value);
      this.#key = undefined;
      this.#value = undefined;
    }
    return this;
  }

  delete(key: Key): boolean {
    if (this.#map !== undefined) return this.#map.delete(key);
    if (this.#key !== key) return false;
    this.#key = undefined;
    this.#value = undefined;
    return true;
  }

  keys(): Iterable<Key> {
    if (this.#map !== undefined) return this.#map.keys();
    return this.#key === undefined ? [] : [this.#key];
  }

  values(): Iterable<Value> {
    if (this.#map !== undefined) return this.#map.values();
    return this.#key === undefined ? [] : [this.#value as Value];
  }

  [Symbol.iterator](): Iterator<readonly [Key, Value]> {
    if (this.#map !== undefined) return this.#map[Symbol.iterator]();
    const entries: (readonly [Key, Value])[] = this.#key === undefined ? [] : [[this.#key, this.#value as Value]];
    return entries[Symbol.iterator]();
  }
}

/** The same for members. Members are objects. */
export class SmallSet<Member extends object> implements Iterable<Member> {
  #members: Member | Set<Member> | undefined;

  get size(): number {
    if (this.#members === undefined) return 0;
    return this.#members instanceof Set ? this.#members.size : 1;
  }

  /** The only member; undefined if there are none or several. */
  get only(): Member | undefined {
    if (!(this.#members instanceof Set)) return this.#members;
    if (this.#members.size !== 1) return undefined;
    const [only] = this.#members;
    return only;
  }

  add(member: Member): void {
    if (this.#members === undefined) this.#members = member;
    else if (this.#members instanceof Set) this.#members.add(member);
    else if (this.#members !== member) this.#members = new Set([this.#members, member]);
  }

  delete(member: Member): void {
    if (this.#members instanceof Set) this.#members.delete(member);
    else if (this.#members === member) this.#members = undefined;
  }

  [Symbol.iterator](): Iterator<Member> {
    if (this.#members instanceof Set) return this.#members.values();
    return (this.#members === undefined ? [] : [this.#members])[Symbol.iterator]();
  }
}
