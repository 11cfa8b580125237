// Single packets with any source, group and TTL through a router, thousands a second: for properties that are checked
// on the real kernel.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import { formatAddress, parseAddress } from '../../src/model/address.js';
import { installTree } from './install-tree.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { within } from './wait.js';

/** A link between the router and a host that injects packets and sees what comes. Neither end needs an address. */
export interface PacketLink {
  readonly router: Pick<Namespace, 'path'>;
  /** Names the link. */
  readonly routerInterface: string;
  readonly host: Namespace;
  readonly hostInterface: string;
}

export interface Packet {
  /** Different for each packet of a call; below 2^53. */
  readonly id: number;
  /** The router's interface on which it arrives. */
  readonly iif: string;
  readonly source: string;
  readonly group: string;
  /** TTL or hop limit; 16 if left out. */
  readonly ttl?: number;
}

export interface PacketOptions {
  /** By how much the TTL of a packet is less when it is seen: 1 if left out, for a router; 0 for a bridge. */
  readonly hops?: number;
}

export interface ExchangeOptions {
  /** Packets that are under way at once; 128 if left out, below the kernel's default room for upcalls, 256. */
  readonly batch?: number;
  /**
   * Called when the router's kernel has taken a batch, before it is asked what left: to wait until an agent has
   * answered its upcalls.
   */
  readonly answered?: () => Promise<void>;
}

/** Starts the process that injects and watches. Dispose of it before its namespaces. */
export async function openPackets(links: readonly PacketLink[], options: PacketOptions = {}): Promise<PacketExchange> {
  const exchange = new PacketExchange(options.hops ?? 1);
  try {
    await exchange.open(links);
    return exchange;
  } catch (error) {
    exchange[Symbol.dispose]();
    throw error;
  }
}

export class PacketExchange implements Disposable {
  readonly #process: ChildProcess;
  readonly #answers: Interface;
  readonly #hops: number;
  /** Of the exchange that is going on, by number. */
  readonly #sent = new Map<number, Packet>();
  #lastNumber = 0;

  constructor(hops: number) {
    this.#hops = hops;
    this.#process = spawn('python3', [join(installTree(), 'test/support/packets.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: plainEnvironment(),
    });
    if (this.#process.stdout === null) throw new Error('the process has no output');
    this.#answers = createInterface({ input: this.#process.stdout });
  }

  async open(links: readonly PacketLink[]): Promise<void> {
    await this.#ask({
      do: 'open',
      links: links.map((link) => ({
        name: link.routerInterface,
        hostNamespace: link.host.path,
        hostInterface: link.hostInterface,
        routerNamespace: link.router.path,
        routerInterface: link.routerInterface,
      })),
    });
  }

  /**
   * Sends packets in order and tells on which interfaces each left the router: for each id a sorted list, empty if it
   * left on none; an interface that sent it twice is there twice. A packet for a link that is down is lost. Throws when
   * a packet comes out changed in anything but its TTL, or that by more than the hops.
   */
  async exchange(
    packets: readonly Packet[],
    options: ExchangeOptions = {},
  ): Promise<ReadonlyMap<number, readonly string[]>> {
    const left = new Map(packets.map((packet) => [packet.id, [] as string[]]));
    const batch = options.batch ?? DEFAULT_BATCH;
    for (let start = 0; start < packets.length; start += batch) {
      const sent = packets.slice(start, start + batch).map((packet) => this.#number(packet));
      await this.#ask({ do: 'send', packets: sent });
      await options.answered?.();
      const { seen = [] } = await this.#ask({ do: 'flush' });
      for (const sighting of seen) left.get(this.#recognise(sighting).id)?.push(sighting.interface);
    }
    this.#sent.clear();
    for (const interfaces of left.values()) interfaces.sort();
    return left;
  }

  /** Takes what has left the router since the last exchange, such as packets that its kernel had queued; how many. */
  async takeLate(): Promise<number> {
    const { seen = [] } = await this.#ask({ do: 'flush' });
    return seen.length;
  }

  /** Gives the packet the number that it carries: different for all packets ever sent, so that none is mistaken. */
  #number(packet: Packet): Packet {
    const number = ++this.#lastNumber;
    this.#sent.set(number, packet);
    return {
      ...packet,
      id: number,
      source: canonical(packet.source),
      group: canonical(packet.group),
      ttl: packet.ttl ?? DEFAULT_TTL,
    };
  }

  /** The packet that was seen; it must be as it was sent. */
  #recognise(seen: Sighting): Packet {
    const packet = this.#sent.get(seen.id);
    if (packet === undefined) throw new Error(`late, after its exchange had ended: ${JSON.stringify(seen)}`);
    const isSame =
      canonical(packet.source) === seen.source &&
      canonical(packet.group) === seen.group &&
      (packet.ttl ?? DEFAULT_TTL) === seen.ttl + this.#hops;
    if (!isSame) throw new Error(`sent ${JSON.stringify(packet)}, seen ${JSON.stringify(seen)}`);
    return packet;
  }

  [Symbol.dispose](): void {
    this.#answers.close();
    this.#process.kill('SIGKILL');
  }

  async #ask(command: unknown): Promise<Answer> {
    const line = new Promise<string>((resolve, reject) => {
      this.#answers.once('line', resolve);
      this.#answers.once('close', () => {
        reject(new Error('packets.py ended'));
      });
    });
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
    const answer = JSON.parse(await within(line, 'an answer of packets.py', ANSWER_LIMIT_MS)) as Answer;
    this.#answers.removeAllListeners('close');
    if (answer.error !== undefined) throw new Error(`packets.py: ${answer.error}`);
    return answer;
  }
}

interface Sighting {
  readonly id: number;
  readonly interface: string;
  readonly source: string;
  readonly group: string;
  readonly ttl: number;
}

interface Answer {
  readonly error?: string;
  readonly seen?: readonly Sighting[];
}

/** As inet_ntop(3) writes it. */
function canonical(address: string): string {
  return formatAddress(parseAddress(address));
}

const DEFAULT_TTL = 16;
const DEFAULT_BATCH = 128;

/** Above the time that packets.py gives a marker. */
const ANSWER_LIMIT_MS = 20_000;
