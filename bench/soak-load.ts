// The load of the soak: clients, watches, lists, storms of new flows and links, each a loop of random steps until the end.
import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { type AgentConnection, connectToSocket, deadlineAfter, messages, unary } from '../src/api/client.js';
import type { ReplaceResponse__Output } from '../src/api/generated/mcroute/v1/ReplaceResponse.js';
import { ApiError } from '../src/api/status.js';
import type { Agent } from '../test/support/agent.js';
import { connect } from '../test/support/namespaces.js';
import { Random } from '../test/support/random.js';
import type { RouterTopology } from '../test/support/topology.js';
import { within } from '../test/support/wait.js';
import { type Client, apply, replaceAll } from './calls.js';
import { type FlowRule, PREFIX, PREFIX_IPV6 } from './contenders.js';
import { sendFlows } from './flows.js';
import type { Program } from './program.js';
import { Wishes } from './soak-wishes.js';

const OWNERS = ['soak-a', 'soak-b', 'soak-c'];
const WATCHERS = 4;
const LISTERS = 2;

/** Longest pause between two steps of a loop, in ms. */
const PAUSE_MAX_MS = { owner: 60, watcher: 500, lister: 400, storm: 1_000, links: 1_500 };

const CHANGES_MAX = 60;
const STORM_FLOWS = 500;
const STORM_GAP_US = 200;
const WATCH_MAX_MS = 4_000;

/** A call that takes longer was not answered. */
const CALL_LIMIT_MS = 60_000;

/** Failures after which nothing more can be learned. */
const FAILURES_MAX = 50;

/** Interfaces that come and go; the storms that are counted use none of them. */
export const LINKS = ['out3', 'out4'];

/** Of owners' own rules: they decide what becomes of the flows. */
const WISHED: readonly FlowRule[] = [
  { family: 'ipv4', group: '239.7.0.1', length: 16 },
  { family: 'ipv6', group: 'ff1e:7::1', length: 64 },
];

/** The calls of one kind. */
export interface CallTimes {
  count: number;
  longestMs: number;
}

export class Load {
  readonly wishes: readonly Wishes[];
  /** By kind. */
  readonly calls = new Map<string, CallTimes>();
  /** Calls that failed or were not answered, in words. */
  readonly failures: string[] = [];
  /** New flows of storms under a rule that stays. */
  readonly storms = { sent: 0, lost: 0 };
  changes = 0;
  links = 0;
  readonly #seed: number;
  readonly #agent: Agent;
  readonly #topology: RouterTopology;
  readonly #probe: Program;
  readonly #absent = new Set<string>();
  #loops = 0;
  #isDone = false;

  constructor(seed: number, agent: Agent, topology: RouterTopology, probe: Program) {
    this.#seed = seed;
    this.#agent = agent;
    this.#topology = topology;
    this.#probe = probe;
    this.wishes = OWNERS.map((owner, index) => new Wishes(owner, new Random(seed + index)));
  }

  /** Runs all loops until `stop`. */
  async run(): Promise<void> {
    const { client } = this.#agent;
    const loops = [
      ...this.wishes.map((wishes) =>
        this.#loop(PAUSE_MAX_MS.owner, async (random) => {
          using own = random.below(10) === 0 ? this.#connect() : undefined;
          await this.#stepOwner(wishes, random, own?.client ?? client);
        }),
      ),
      ...times(WATCHERS, () => this.#watchLoop()),
      ...times(LISTERS, () => this.#loop(PAUSE_MAX_MS.lister, (random) => this.#stepLister(random))),
      this.#loop(PAUSE_MAX_MS.storm, (random) => this.#stepStorm(random)),
      this.#loop(PAUSE_MAX_MS.links, (random) => {
        this.#stepLinks(random);
        return Promise.resolve();
      }),
    ];
    await Promise.all(loops);
  }

  /** The loops end with the step that they are at. */
  stop(): void {
    this.#isDone = true;
  }

  /** Brings back all interfaces; when this returns, they are up. */
  settleLinks(): void {
    for (const name of LINKS) {
      if (this.#absent.has(name)) this.#plug(name);
      this.#topology.router.setUp(name);
    }
  }

  async #loop(pauseMaxMs: number, step: (random: Random) => Promise<void>): Promise<void> {
    const random = new Random(this.#seed + 1_000 * ++this.#loops);
    while (!this.#isDone) {
      await step(random);
      // The pauses are the load that is measured under, not a wait for anything.
      await delay(random.below(pauseMaxMs));
    }
  }

  /** Makes a call and remembers how long it took; a failure is told, and gives undefined. */
  async #call<T>(
    kind: string,
    work: () => Promise<T>,
    isExpected?: (error: ApiError) => boolean,
  ): Promise<T | undefined> {
    const begin = performance.now();
    try {
      return await within(work(), kind, CALL_LIMIT_MS);
    } catch (error) {
      if (error instanceof ApiError && isExpected?.(error) === true) return undefined;
      this.failures.push(`${kind} after ${Math.round(performance.now() - begin)} ms: ${String(error)}`);
      if (this.failures.length >= FAILURES_MAX) throw error;
      return undefined;
    } finally {
      const known = this.calls.get(kind) ?? { count: 0, longestMs: 0 };
      this.calls.set(kind, {
        count: known.count + 1,
        longestMs: Math.max(known.longestMs, performance.now() - begin),
      });
    }
  }

  #connect(): AgentConnection {
    return connectToSocket(this.#agent.socketPath);
  }

  async #stepOwner(wishes: Wishes, random: Random, client: Client): Promise<void> {
    const { owner } = wishes;
    switch (random.below(12)) {
      case 0: {
        const { resources, commit } = wishes.replacement();
        if (await this.#call('Replace', () => replaceAll(client, resources, owner))) commit();
        return;
      }
      case 1:
        await this.#call('Replace given up', () => abandonReplace(client, wishes), isGivenUp);
        return;
      case 2: {
        const request = { owner, changes: wishes.change(5).changes, expectedRevision: '1' };
        await this.#call('Apply refused', () => apply(client, request), isRefused);
        return;
      }
      case 3: {
        const { changes } = wishes.change(CHANGES_MAX);
        await this.#call('Apply only checked', () => apply(client, { owner, changes, validateOnly: true }));
        return;
      }
      default: {
        const { changes, commit } = wishes.change(1 + random.below(CHANGES_MAX));
        if (!(await this.#call('Apply', () => apply(client, { owner, changes })))) return;
        commit();
        this.changes += changes.length;
      }
    }
  }

  async #stepLister(random: Random): Promise<void> {
    const { client } = this.#agent;
    const limit = () => ({ deadline: deadlineAfter(CALL_LIMIT_MS) });
    switch (random.below(6)) {
      case 0: {
        const filter = { owner: random.pick(OWNERS), group: random.pick(['239.7.0.0/25', 'ff1e:7::/64', '']) };
        await this.#call('List filtered', () => drain(messages(client.List({ filter }, limit()))));
        return;
      }
      case 1:
        await this.#call('List given up', async () => {
          for await (const message of messages(client.List({ view: 'VIEW_FULL' }, limit()))) {
            if (message.entries.length > 0) return;
          }
        });
        return;
      case 2:
        await this.#call('ListMfc', () => drain(messages(client.ListMfc({ view: 'VIEW_FULL' }, limit()))));
        return;
      case 3:
        await this.#call('ListInterfaces', () => unary((callback) => client.ListInterfaces({}, limit(), callback)));
        return;
      case 4:
        await this.#call('ListMrules', () => unary((callback) => client.ListMrules({}, limit(), callback)));
        return;
      default:
        await this.#call('List', () => drain(messages(client.List({ view: 'VIEW_FULL' }, limit()))));
    }
  }

  /** A watch after the other, each on a connection of its own; some go on where the last one was. */
  async #watchLoop(): Promise<void> {
    let revision = '0';
    await this.#loop(PAUSE_MAX_MS.watcher, async (random) => {
      using connection = this.#connect();
      const resumes = revision !== '0' && random.below(3) === 0;
      const call = connection.client.Watch(resumes ? { afterRevision: revision } : {});
      const ended = new Promise<string | undefined>((resolve) => {
        call.on('error', (error) => {
          resolve(error.message);
        });
        call.on('end', () => {
          resolve('the agent has ended it');
        });
      });
      call.on('data', (message: { readonly revision: string }) => {
        if (message.revision !== '0') revision = message.revision;
      });
      const isSlow = random.below(2) === 0;
      if (isSlow) call.pause();
      const reason = await Promise.race([ended, delay(random.below(WATCH_MAX_MS), undefined)]);
      if (isSlow && reason === undefined) {
        call.resume();
        await Promise.race([ended, delay(random.below(WATCH_MAX_MS / 4))]);
      }
      call.cancel();
      await this.#call('Watch', () => (isWatchGood(reason) ? Promise.resolve() : Promise.reject(new Error(reason))));
    });
  }

  /** New flows of either family: under a rule that stays, where none may be lost, or under those of owners. */
  async #stepStorm(random: Random): Promise<void> {
    const isWished = random.below(3) === 0;
    const rule = isWished ? random.pick(WISHED) : inPart(random.pick([PREFIX, PREFIX_IPV6]), random.below(64));
    const flows = 1 + random.below(STORM_FLOWS);
    const contender = { topology: this.#topology, [Symbol.dispose]: () => undefined };
    const options = { how: 'storm' as const, flows, gapUs: STORM_GAP_US };
    const report = await this.#call('storm', () => sendFlows(this.#probe, contender, rule, options));
    if (report === undefined || isWished) return;
    this.storms.sent += report.sent;
    this.storms.lost += report.sent - report.received;
  }

  #stepLinks(random: Random): void {
    const { router } = this.#topology;
    const name = random.pick(LINKS);
    this.links++;
    if (this.#absent.has(name)) this.#plug(name);
    else if (random.below(3) === 0) {
      router.delete(name);
      this.#absent.add(name);
    } else if (random.below(2) === 0) router.setDown(name);
    else router.setUp(name);
  }

  #plug(name: string): void {
    const host = this.#topology.receivers.find(({ routerInterface }) => routerInterface === name);
    if (host === undefined) throw new Error(`bug: ${name} leads nowhere`);
    connect(
      { namespace: this.#topology.router, interface: name },
      { namespace: host.namespace, interface: host.interface },
    );
    this.#absent.delete(name);
  }
}

/** Sends a part of a Replace and gives up. The count says that it was not all, so nothing takes effect. */
function abandonReplace(client: Client, wishes: Wishes): Promise<ReplaceResponse__Output> {
  return unary((callback) => {
    const call = client.Replace({ deadline: deadlineAfter(CALL_LIMIT_MS) }, callback);
    const { resources } = wishes;
    call.write({ owner: wishes.owner, resources: [...resources], resourceCount: resources.length + 1 });
    call.cancel();
  });
}

function isGivenUp({ cause }: ApiError): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === status.CANCELLED;
}

function isRefused({ reason }: ApiError): boolean {
  return reason === 'REVISION_MISMATCH';
}

/** A watch may be told that it cannot go on where it was; else it lasts until it is cancelled. */
function isWatchGood(reason: string | undefined): boolean {
  return reason === undefined || /OUT_OF_RANGE|REVISION_COMPACTED/.test(reason);
}

/** The rule's flows from another group on. */
function inPart(rule: FlowRule, part: number): FlowRule {
  const group = rule.family === 'ipv4' ? `239.8.${part * 2}.0` : `ff1e::8:${(part * 2).toString(16)}:0`;
  return { ...rule, group };
}

async function drain(all: AsyncIterable<unknown>): Promise<void> {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- read for the reading's sake
  for await (const _ of all);
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
