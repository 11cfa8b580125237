// What rules mean, on the real kernel: random rules through the engine, random packets through the router, and each
// packet must leave on exactly the interfaces that `explain` says, from the first packet of a flow on.
//
// KERNEL_PROPERTY_RUNS sets the number of histories and KERNEL_PROPERTY_SECONDS the time for them; KERNEL_PROPERTY_SEED
// and KERNEL_PROPERTY_PATH repeat what the report of a failure names.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Engine, type EngineNote } from '../../src/agent/engine.js';
import type { StarG } from '../../src/agent/fib/star-g.js';
import type { LinuxKernel } from '../../src/agent/kernel/linux-kernel.js';
import { type Address, formatAddress, parseAddress } from '../../src/model/address.js';
import type { Change } from '../../src/model/change.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import { type Mroute, formatMrouteKey, mrouteFamily } from '../../src/model/mroute.js';
import { MRULE_PRIORITY_DEFAULT } from '../../src/model/mrule.js';
import type { Resource } from '../../src/model/resource.js';
import { TEST_TABLE, mroute, testGroup } from '../support/fib-turns.js';
import { conditionsOf } from '../support/interface-conditions.js';
import { type OwnRouter, awaitEntry, openOwnKernel, openOwnRouter } from '../support/own-router.js';
import { type PacketExchange, openPackets } from '../support/packets.js';
import { GROUPS, INTERFACES } from '../support/rule-arbitraries.js';
import {
  type History,
  OWNERS,
  type Packet,
  type Step,
  type Turn,
  describePacket,
  histories,
} from '../support/rule-history.js';
import { FlowModel, type RuleSet, oifsOf } from '../support/upcall-model.js';

const RUNS = Number(process.env['KERNEL_PROPERTY_RUNS'] ?? 120);
const SEED = Number(process.env['KERNEL_PROPERTY_SEED'] ?? Date.now() % 2 ** 31);

/** Of a counterexample, as the report of a failure has it: begins with it. */
const PATH = process.env['KERNEL_PROPERTY_PATH'];

/** A loaded machine gets through fewer histories, and a counterexample need not be the smallest. */
const TIME_LIMIT_MS = 1000 * Number(process.env['KERNEL_PROPERTY_SECONDS'] ?? 60);

/** Where the marker flows arrive; no rule of the histories names it, but a wildcard may stand for it. */
const MARKER_INTERFACE = 'mark0';
const STAR_G = ['kernel', 'learn'] as const satisfies readonly StarG[];

/** What is counted over all histories. */
const totals = { ruleSets: 0, packets: 0, forwarded: 0, limited: 0 };

describe('the real kernel', () => {
  let router: OwnRouter;
  let exchange: PacketExchange;
  let tables: Tables;

  before(async () => {
    router = await openOwnRouter([...INTERFACES, MARKER_INTERFACE]);
    exchange = await openPackets(router.links);
    tables = new Tables();
  });

  after(() => {
    for (const starG of STAR_G) tables.close(starG);
    exchange[Symbol.dispose]();
    router[Symbol.dispose]();
  });

  it('delivers what explain says, whatever the rules, through whatever changes', async (t) => {
    t.diagnostic(`KERNEL_PROPERTY_SEED=${SEED} KERNEL_PROPERTY_RUNS=${RUNS}`);
    const property = fc.asyncProperty(histories, async (history) => {
      const table = tables.open(history.starG);
      const world = new World(exchange, table, history);
      try {
        world.begin(history.rules);
        for (const turn of history.turns) await world.take(turn);
        world.end();
      } catch (error) {
        tables.close(history.starG);
        throw error;
      }
    });
    // The time is for finding a small counterexample too.
    await fc.assert(property, {
      numRuns: RUNS,
      seed: SEED,
      ...(PATH === undefined ? {} : { path: PATH }),
      includeErrorInReport: true,
      interruptAfterTimeLimit: TIME_LIMIT_MS,
    });
    t.diagnostic(
      `${totals.ruleSets} rule sets, ${totals.packets} packets, ${totals.forwarded} of them forwarded, ` +
        `${totals.limited} left out by the limit of one iif`,
    );
    assert.ok(totals.limited < totals.packets / 6, 'the limit leaves out too much to say anything');
    assert.ok(totals.forwarded > totals.packets / 10, 'too few packets are forwarded to say anything');
  });
});

/** A table of the kernel, which an engine keeps. */
interface Table {
  readonly kernel: LinuxKernel;
  readonly engine: Engine;
  /** What the engine had to say but for warnings. */
  readonly notes: EngineNote[];
}

/**
 * A table for each way to serve (*,G) rules. They stay open from one history to the next, which begins with an empty
 * one, because the memory of each is given back by the garbage collector only.
 */
class Tables {
  readonly #open = new Map<StarG, Table>();

  open(starG: StarG): Table {
    const open = this.#open.get(starG);
    if (open !== undefined) return open;
    const number = TEST_TABLE + STAR_G.indexOf(starG);
    const kernel = openOwnKernel(number);
    const options = {
      table: number,
      mrulePriority: MRULE_PRIORITY_DEFAULT,
      makesMrules: true,
      starG,
      cacheTimeoutMs: 0,
    };
    const table = { kernel, engine: new Engine(kernel, options), notes: new Array<EngineNote>() };
    this.#open.set(starG, table);
    table.engine.onNote((note) => {
      if (note.note !== 'warning') table.notes.push(note);
    });
    table.engine.start();
    return table;
  }

  close(starG: StarG): void {
    this.#open.get(starG)?.engine.stop();
    this.#open.delete(starG);
  }
}

/** What an owner wants, by key. */
type Wishes = Map<string, Mroute | InterfaceSettings>;

/** A table, the wishes that its engine was told of, and what is known of the flows. */
class World {
  readonly #exchange: PacketExchange;
  readonly #history: History;
  readonly #table: Table;
  readonly #wishes = new Map<string, Wishes>(OWNERS.map((owner) => [owner, new Map()]));
  readonly #flows = new FlowModel();
  #markers = 0;

  constructor(exchange: PacketExchange, table: Table, history: History) {
    this.#exchange = exchange;
    this.#history = history;
    this.#table = table;
    // Makes the interface one of the table, for the group of the markers.
    const marker = mroute(`(*, ${formatAddress(this.#markerGroup)}) ${MARKER_INTERFACE} > away0`);
    table.engine.replace('marker', [marker], APPLY);
  }

  /** The owners take turns. */
  begin(rules: readonly Mroute[]): void {
    for (const [index, rule] of rules.entries()) {
      this.#take({ step: 'put', owner: OWNERS[index % OWNERS.length] ?? '', index, rule });
    }
  }

  /** Changes the rules, then sends the packets: all must go where the rules say. */
  async take({ steps: changes, isFlushed, packets: sent }: Turn): Promise<void> {
    for (const change of changes) this.#take(change);
    if (isFlushed) {
      this.#table.engine.flush();
      this.#flows.clear();
      this.#flows.onRules(this.#ruleSet(), this.#groups());
    }
    totals.ruleSets++;
    // What the kernel had queued may have an entry now.
    await this.#exchange.takeLate();
    for (const batch of batches(sent)) await this.#send(batch);
  }

  /** Nothing was wrong on the way; the kernel holds what the engine thinks, and nothing when no owner wants anything. */
  end(): void {
    const { kernel, engine, notes } = this.#table;
    engine.audit();
    for (const owner of [...OWNERS, 'marker']) engine.replace(owner, [], APPLY);
    engine.flush();
    assert.deepEqual(
      kernel.listMfc(this.#history.family).filter(({ isUnresolved }) => !isUnresolved),
      [],
    );
    assert.deepEqual(notes, []);
    // Also what the kernel still asks for.
    kernel.flush();
  }

  get #markerGroup(): Address {
    return parseAddress(this.#history.family === 'ipv4' ? '239.9.9.9' : 'ff1e:9::9');
  }

  #markerSource(number: number): Address {
    return parseAddress(this.#history.family === 'ipv4' ? `10.9.9.${number}` : `2001:db8:9::${number}`);
  }

  /** Each change makes a rule set with entries of its own; what it leaves behind may be the next one's trouble. */
  #take(change: Step): void {
    this.#change(change);
    this.#flows.onRules(this.#ruleSet(), this.#groups());
  }

  #change(change: Step): void {
    const wishes = this.#wishes.get(change.owner);
    assert.ok(wishes !== undefined);
    switch (change.step) {
      case 'put':
        this.#apply(change.owner, { action: 'put', resource: change.rule });
        wishes.set(formatMrouteKey(change.rule.key), change.rule);
        return;
      case 'delete': {
        const key = [...wishes.keys()][change.index];
        const wish = key === undefined ? undefined : wishes.get(key);
        if (key === undefined || wish === undefined) return;
        this.#apply(change.owner, { action: 'delete', key: wish.key, mustExist: true });
        wishes.delete(key);
        return;
      }
      case 'replace': {
        this.#table.engine.replace(change.owner, change.rules, APPLY);
        wishes.clear();
        for (const rule of change.rules) wishes.set(formatMrouteKey(rule.key), rule);
        return;
      }
      case 'interface':
        this.#apply(change.owner, { action: 'put', resource: change.settings });
        wishes.set(change.settings.key.name, change.settings);
    }
  }

  #apply(owner: string, change: Change): void {
    this.#table.engine.apply(owner, [change], APPLY);
  }

  async #send(sent: readonly Packet[]): Promise<void> {
    const set = this.#ruleSet();
    const marker: Packet = {
      iif: MARKER_INTERFACE,
      source: this.#markerSource(++this.#markers),
      group: this.#markerGroup,
      ttl: 64,
    };
    const left = await this.#exchange.exchange(
      [...sent, marker].map(({ iif, source, group, ttl }, id) => {
        return { id, iif, source: formatAddress(source), group: formatAddress(group), ttl };
      }),
      { batch: sent.length + 1, answered: () => awaitEntry(this.#table.kernel, marker.source, marker.group) },
    );
    for (const [id, packet] of sent.entries()) {
      const isLimited = this.#flows.onPacket(set, packet);
      totals.packets++;
      if (isLimited) totals.limited++;
      else this.#check(set, packet, id, left.get(id) ?? []);
    }
  }

  #check(set: RuleSet, packet: Packet, id: number, actual: readonly string[]): void {
    const leaving = [...oifsOf(set, packet)].filter(([, ttlThreshold]) => packet.ttl > ttlThreshold);
    const expected = leaving.map(([name]) => name).sort();
    if (expected.length > 0) totals.forwarded++;
    assert.deepEqual(actual, expected, `${describePacket(packet)}, number ${id} of its batch`);
  }

  #ruleSet(): RuleSet {
    const wishes: Resource[] = [...this.#wishes.values()].flatMap((each) => [...each.values()]);
    return {
      rules: wishes.filter((wish) => 'oifs' in wish).filter(({ key }) => mrouteFamily(key) === this.#history.family),
      links: this.#table.kernel.listLinks(),
      conditions: conditionsOf(wishes.filter((wish) => 'ttlThreshold' in wish)),
      starG: this.#history.starG,
    };
  }

  #groups(): Address[] {
    return GROUPS.map((n) => testGroup(this.#history.family, n));
  }
}

/** The packets in order, so that none of them holds more of one flow than the kernel queues until it is answered. */
function batches(sent: readonly Packet[]): Packet[][] {
  const all: Packet[][] = [];
  let flows = new Map<string, number>();
  for (const packet of sent) {
    const flow = `${formatAddress(packet.source)} ${formatAddress(packet.group)}`;
    if (flows.get(flow) === UNRESOLVED_PACKETS_MAX || all.length === 0) {
      all.push([]);
      flows = new Map();
    }
    all.at(-1)?.push(packet);
    flows.set(flow, (flows.get(flow) ?? 0) + 1);
  }
  return all;
}

/** Packets of a flow without an entry that the kernel keeps (`ipmr_cache_unresolved`, `ip6mr_cache_unresolved`). */
const UNRESOLVED_PACKETS_MAX = 4;

const APPLY = { validateOnly: false, expectedRevision: undefined, strict: false };
