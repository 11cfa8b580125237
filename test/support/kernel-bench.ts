// What the contract of kernels is tested with: a port, the world around it, and short words for what tests do.
import assert from 'node:assert/strict';
import type {
  Counters,
  KernelEvent,
  KernelPort,
  LearnedFlow,
  Operation,
  UpcallEvent,
  VifRule,
} from '../../src/agent/kernel/port.js';
import { type Address, type Family, anyPrefix, hostPrefix, sameAddress } from '../../src/model/address.js';
import { MRULE_PROTOCOL, type Mrule } from '../../src/model/mrule.js';
import { TEST_TABLE, testGroup, testSource } from './fib-turns.js';
import { within } from './wait.js';

/** A kernel port and the world around it. */
export interface KernelBench extends Disposable {
  readonly kernel: KernelPort;
  /** Sends a packet to an interface and tells on which it left, sorted, when upcalls about it are answered. */
  send(iif: string, source: Address, group: Address, ttl?: number): Promise<readonly string[]>;
  /** Adds an interface that is up; when this settles, packets pass. */
  addLink(name: string): Promise<void>;
  removeLink(name: string): void;
  renameLink(from: string, to: string): void;
  setDown(name: string): void;
  setRpFilter(name: string, value: number): void;
  /** Whether the host has joined the group on the interface. */
  isJoined(ifindex: number, group: Address): boolean;
  // What another program does.
  addMrule(rule: Mrule): void;
  deleteMrule(rule: Mrule): void;
  /** Without a source, the (*,G) entry of the iif. */
  deleteMfc(source: Address | undefined, group: Address, iif: number): void;
}

/** Interfaces of a bench at first; the number of each is its vif number in the tests, too. */
export const BENCH_INTERFACES = ['eth0', 'eth1', 'eth2'] as const;

/** Declares a test of one promise. */
export type Test = (promise: string, run: (table: TableUnderTest) => Promise<void> | void) => void;

/** Events of one kind. */
export type EventOf<Name extends KernelEvent['event']> = Extract<KernelEvent, { readonly event: Name }>;

/** What the kernel has said. */
export class Heard {
  #events: KernelEvent[] = [];
  #onEvent: () => void = () => undefined;

  hear(event: KernelEvent): void {
    this.#events.push(event);
    this.#onEvent();
  }

  /** The first such event that no wait has had yet, those before it included; waits for it. */
  async wait<Name extends KernelEvent['event']>(
    name: Name,
    accepts: (event: EventOf<Name>) => boolean = () => true,
  ): Promise<EventOf<Name>> {
    const isIt = (event: KernelEvent): event is EventOf<Name> =>
      event.event === name && accepts(event as EventOf<Name>);
    const found = new Promise<EventOf<Name>>((resolve) => {
      this.#onEvent = () => {
        const index = this.#events.findIndex(isIt);
        const event = this.#events[index];
        if (event === undefined || !isIt(event)) return;
        this.#events = this.#events.slice(index + 1);
        this.#onEvent = () => undefined;
        resolve(event);
      };
    });
    this.#onEvent();
    return within(found, `the event '${name}'`);
  }
}

/** One family of the bench, and a group that no other test has. */
export type TableUnderTest = ReturnType<typeof tableUnderTest>;

let lastGroup = 0;

/** Operations, packets and entries of a group that is the next test's. */
export function tableUnderTest(bench: KernelBench, family: Family, heard: Heard) {
  const { kernel } = bench;
  const group = testGroup(family, (lastGroup++ % GROUPS_MAX) + 1);
  const sources = { 1: testSource(family, 1), 2: testSource(family, 2), 3: testSource(family, 3) } as const;
  const ifindex = (name: string) =>
    kernel.listLinks().find((link) => link.name === name)?.ifindex ?? assert.fail(`there is no ${name}`);
  const oifs = (vifs: readonly number[]) => vifs.map((vif) => ({ vif, ttlThreshold: 1 }));
  const mrule = (interfaceName: string): Mrule => ({
    family,
    direction: 'iif',
    interface: interfaceName,
    table: TEST_TABLE,
    priority: 4_000,
    protocol: MRULE_PROTOCOL,
  });
  /** What became of each operation: `done` or the code of the refusal. */
  const run = (...operations: readonly Operation[]) => {
    return kernel.apply(operations).map((failure) => failure?.code ?? 'done');
  };
  const drain = (): UpcallEvent[] =>
    kernel.drainUpcalls().filter((event) => {
      if (event.event === 'resync') return true;
      return sameAddress('flow' in event ? event.flow.group : event.group, group);
    });
  return {
    bench,
    family,
    heard,
    group,
    sources,
    source: sources[1],
    ifindex,
    oifs,
    mrule,
    do: run,
    drain,
    mrules: () => BENCH_INTERFACES.map(mrule),
    addVifs: () => {
      const adds = BENCH_INTERFACES.map((name, vif): Operation => ({
        op: 'add-vif',
        family,
        vif,
        ifindex: ifindex(name),
      }));
      assert.deepEqual(run(...adds), ['done', 'done', 'done']);
    },
    put: (iif: number, vifs: readonly number[], source: SourceNumber = 1): OperationOf<'put-mfc'> => {
      return { op: 'put-mfc', source: sources[source], group, iif, oifs: oifs(vifs), isLearned: false };
    },
    delete: (source: SourceNumber = 1): OperationOf<'delete-mfc'> => {
      return { op: 'delete-mfc', source: sources[source], group, isLearned: false };
    },
    putProxy: (iif: number, vifs: readonly number[]): Operation => ({ op: 'put-proxy', group, iif, oifs: oifs(vifs) }),
    deleteProxy: (iif: number): Operation => ({ op: 'delete-proxy', group, iif }),
    /** Sends a packet of the group; gives the interfaces on which it left. */
    send: (iif: string, ttl = 64, source: SourceNumber = 1) => bench.send(iif, sources[source], group, ttl),
    counts: (source: Address | undefined) => {
      const [counters] = kernel.readCounters(family, [{ source, group }]);
      assert.deepEqual(countPacked(kernel, source, group), counters);
      return counters && { packets: counters.packets, wrongIf: counters.wrongIf };
    },
    /** The entries of the group by the names of their interfaces: `S` or `*`, iif, oifs and thresholds. */
    entries: () => {
      const names = new Map(kernel.listLinks().map((link) => [link.ifindex, link.name]));
      const ofGroup = kernel.listMfc(family).filter((entry) => sameAddress(entry.group, group) && !entry.isUnresolved);
      return ofGroup.map(({ source, iif, oifs: all }) => {
        const outs = all.map((oif) => `${names.get(oif.ifindex) ?? '?'}@${oif.ttlThreshold}`).sort();
        return [source === undefined ? '*' : 'S', names.get(iif ?? 0) ?? '?', '>', ...outs].join(' ');
      });
    },
    rule: (iif: number, vifs: readonly number[]): VifRule => {
      return { iif, source: anyPrefix(family), except: [], group: hostPrefix(group), deny: false, oifs: oifs(vifs) };
    },
    /** Replaces the rules of the group; `upcallIifs` as a bit set. */
    setUpcallRules: (rules: readonly VifRule[], upcallIifs = 0b111) => {
      kernel.setUpcallRules(family, [{ group: hostPrefix(group), upcallIifs, barredVifs: 0, rules }]);
    },
    /** What was learned since last asked. */
    learned: (): LearnedFlow[] => drain().flatMap((event) => (event.event === 'learned' ? [event.flow] : [])),
  };
}

type SourceNumber = 1 | 2 | 3;
type OperationOf<Name extends Operation['op']> = Extract<Operation, { readonly op: Name }>;

/** Groups that `testGroup` has for IPv4. */
const GROUPS_MAX = 250;

/** The same counters by way of those who read many. */
function countPacked(kernel: KernelPort, source: Address | undefined, group: Address): Counters | undefined {
  const keys = new Uint32Array(16);
  keys.set(source?.words ?? []);
  keys.set(group.words, 4);
  // Another key behind it, of an entry that is not there: (*, 0).
  const words = [...kernel.countFlows(group.family, keys)];
  assert.deepEqual(words.slice(6), new Array(6).fill(0xffff_ffff));
  const [packets, bytes, wrongIf] = [0, 2, 4].map(
    (at) => BigInt(words[at + 1] ?? 0) * 2n ** 32n + BigInt(words[at] ?? 0),
  );
  if (packets === undefined || bytes === undefined || wrongIf === undefined || packets === 2n ** 64n - 1n)
    return undefined;
  return { packets, bytes, wrongIf };
}
