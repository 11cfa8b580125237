// How many connections there may be: of all, of one address, and of those who have not said who they are. Pure.

export interface ConnectionLimits {
  /** With an identity. */
  readonly connections: number;
  /** Of one address, with an identity or without; 0: any number. */
  readonly perAddress: number;
}

/** Connections that have no identity: whoever has one is not kept out by those. */
const STRANGERS_MAX = 128;
const STRANGERS_PER_ADDRESS_MAX = 16;

/** Connections of one identity: each takes some memory, and may have many calls. */
const PER_IDENTITY_MAX = 32;

/** One connection that was let in. */
export interface Admitted {
  /** It has an identity now. False if there are too many, of all or of this one. */
  identify(identity: string): boolean;
  /** It has closed; may be called again. */
  leave(): void;
}

/** What is known of one. */
interface Entered {
  readonly network: string;
  identity: string | undefined;
}

export class Admission {
  #limits: ConnectionLimits;
  readonly #addresses = new Map<string, number>();
  readonly #entered = new Map<Admitted, Entered>();
  /** By network, in the order in which they came, and what is called when one has to go. */
  readonly #strangers = new Map<string, Map<Admitted, () => void>>();
  readonly #identities = new Map<string, number>();
  #strangerCount = 0;
  #identifiedCount = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** With an identity. */
  get identified(): number {
    return this.#identifiedCount;
  }

  /** Without one. */
  get strangers(): number {
    return this.#strangerCount;
  }

  /** Other limits hold from now on. */
  change(limits: ConnectionLimits): void {
    this.#limits = limits;
  }

  /**
   * Lets a connection in that has no identity yet. When there are too many of those, the oldest of the network that has most
   * makes room: it may be slow on purpose, and one that has just come is as likely an honest one.
   *
   * @param address undefined for a process of this host, of which no number is kept out by itself.
   * @param onEvicted called once if it has to go; it has left by then.
   * @returns undefined if there are too many of its network.
   */
  enter(address: string | undefined, onEvicted: () => void): Admitted | undefined {
    const isLocal = address === undefined;
    const network = isLocal ? '' : networkOf(address);
    if (!isLocal && !this.#hasRoom(network)) return undefined;
    if (!isLocal && this.#strangerCount >= STRANGERS_MAX) this.#evictOne();
    const connection: Admitted = {
      identify: (identity) => this.#identify(connection, identity),
      leave: () => {
        this.#leave(connection);
      },
    };
    count(this.#addresses, network, 1);
    this.#entered.set(connection, { network, identity: undefined });
    const strangers = this.#strangers.get(network) ?? new Map<Admitted, () => void>();
    this.#strangers.set(network, strangers.set(connection, onEvicted));
    this.#strangerCount++;
    return connection;
  }

  #hasRoom(network: string): boolean {
    const { perAddress } = this.#limits;
    if (perAddress > 0 && (this.#addresses.get(network) ?? 0) >= perAddress) return false;
    return (this.#strangers.get(network)?.size ?? 0) < STRANGERS_PER_ADDRESS_MAX;
  }

  /** Those of this host stay: whoever may use the unix socket is known at once. */
  #evictOne(): void {
    let most: ReadonlyMap<Admitted, () => void> = new Map();
    for (const [network, strangers] of this.#strangers) {
      if (network !== '' && strangers.size > most.size) most = strangers;
    }
    for (const [oldest, onEvicted] of most) {
      oldest.leave();
      onEvicted();
      return;
    }
  }

  #identify(connection: Admitted, identity: string): boolean {
    const entered = this.#entered.get(connection);
    if (entered?.identity !== undefined || entered === undefined) return false;
    if (this.#identifiedCount >= this.#limits.connections) return false;
    if ((this.#identities.get(identity) ?? 0) >= PER_IDENTITY_MAX) return false;
    entered.identity = identity;
    this.#endStranger(connection, entered.network);
    count(this.#identities, identity, 1);
    this.#identifiedCount++;
    return true;
  }

  #leave(connection: Admitted): void {
    const entered = this.#entered.get(connection);
    if (entered === undefined) return;
    this.#entered.delete(connection);
    count(this.#addresses, entered.network, -1);
    if (entered.identity === undefined) {
      this.#endStranger(connection, entered.network);
    } else {
      this.#identifiedCount--;
      count(this.#identities, entered.identity, -1);
    }
  }

  #endStranger(connection: Admitted, network: string): void {
    const strangers = this.#strangers.get(network);
    strangers?.delete(connection);
    if (strangers?.size === 0) this.#strangers.delete(network);
    this.#strangerCount--;
  }
}

/** What one client may have many of: of IPv6, all addresses of a /64. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...new Array<string>(missing).fill('0'), ...after].slice(0, 4).join(':');
}

function count(map: Map<string, number>, key: string, by: number): void {
  const value = (map.get(key) ?? 0) + by;
  if (value === 0) map.delete(key);
  else map.set(key, value);
}
