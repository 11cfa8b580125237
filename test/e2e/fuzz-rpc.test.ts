// Messages with all that can be wrong with their bytes, to all methods of all services, through the gateway to an agent and
// to a supervisor without tables of its own. Whoever may do everything sends them, and somebody who may do nothing.
//
// FUZZ_CALLS (50000) and FUZZ_SEED (the time) can be set; the seed is printed.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { RunningServer } from '../../src/api/unix-server.js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { SERVICES } from '../../src/api/generated/codec.js';
import { gatewayDefinition, routingDefinition, tableDefinition } from '../../src/api/load.js';
import { serveTables } from '../../src/supervisor/table-service.js';
import { type Agent, startAgent } from '../support/agent.js';
import { list } from '../support/calls.js';
import { FakeTables, readyTable } from '../support/fake-tables.js';
import { type Gateway, startGateway } from '../support/gateway.js';
import { HostileCalls, grpcMessage } from '../support/hostile-calls.js';
import { descriptorsOf } from '../support/hostile-site.js';
import { mutate, vary } from '../support/mutations.js';
import { Random } from '../support/random.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { TableClient, route } from './table-client.js';

const CALLS = Number(process.env['FUZZ_CALLS'] ?? 50_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);

const TABLE = 123;

/** Calls that are under way at once: a connection takes 128, and some of them wait for nothing but their time. */
const AT_ONCE = 96;

/** One call in so many is of somebody who may do nothing. */
const DENIED_EVERY = 8;

/** Time after which a call that would go on ends: longer than any other takes. */
const TIMEOUT = '50S';

/** Time after which a call that goes on by its nature ends. */
const STREAM_TIMEOUT = '100m';

/** Most memory of the gateway, in kB. */
const MEMORY_MAX_KB = 150 * 1024;

/** Growth of the agent's memory that says nothing, in MiB: garbage that has not been collected, and what it remembers. */
const GROWTH_MIB = 128;

/** Connections that may be open still: of a gateway to the agent and to the supervisor. */
const SPARE_DESCRIPTORS = 4;

/** Longest time until all others are closed, in ms. */
const CLEAN_LIMIT_MS = 40_000;

/** Looks at a table and its kernel until nothing has changed meanwhile. */
const ATTEMPTS = 10;

/** Least share of changes that are taken, in percent. */
const TAKEN_MIN = 20;

/** As it is on the wire. */
const OK: number = status.OK;

/** Everybody may ask who they are. */
const WHO_AM_I = '/mcroute.v1.GatewayService/WhoAmI';

/** Root may change the policy whatever the policy is: none is taken that would not let it. */
const SET_POLICY = '/mcroute.v1.GatewayService/SetPolicy';

/** A method that ends the agent when it is done; it is called by who may not do it. */
const ENDS_THE_AGENT = '/mcroute.v1.RoutingService/Stop';

/** Methods that nobody is served here: the agent has no configuration file. */
const NEVER_SERVED: ReadonlySet<string> = new Set([ENDS_THE_AGENT, '/mcroute.v1.RoutingService/Reload']);

/** Methods by which rules come to be. */
const CHANGING = ['Apply', 'Replace', 'Modify'].map((name) => `/mcroute.v1.RoutingService/${name}`);

let topology: RouterTopology;
let agent: Agent;
let supervisor: RunningServer;
let gateway: Gateway;
const tables = new FakeTables();
const bugs: unknown[] = [];

before(async () => {
  topology = routerTopology();
  agent = await startAgent(topology.router, { table: TABLE });
  const runtimeDirectory = dirname(agent.socketPath);
  const door = join(runtimeDirectory, 'supervisor-gateway.sock');
  tables.put(readyTable(TABLE));
  supervisor = await serveTables(door, tables, {
    onBug: (error) => bugs.push(error),
    forGateway: { user: undefined },
  });
  // The gateway is of another user.
  chmodSync(door, 0o666);
  gateway = await startGateway({ runtimeDirectory, configuration: CONFIGURATION, files: { 'policy.yaml': POLICY } });
});
after(async () => {
  gateway[Symbol.dispose]();
  await supervisor.stop();
  agent[Symbol.dispose]();
  topology[Symbol.dispose]();
});

/** Root may do everything, on the unix socket, and nobody anything on the other. */
const POLICY = 'rules: [{ identity: "uid:0", role: admin }]';
const CONFIGURATION = `
listen: [{ unix: ROOT/gateway.sock }, { tcp: "127.0.0.1:7791", plaintext: true }]
policy: ROOT/policy.yaml
limits: { writes-per-second: 0, streams-per-identity: 0 }
`;

it(`${CALLS} broken messages end with a status each, and the kernel has what is wished`, async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const seeds = validMessages();
  const counts = new Counts();
  const memoryMib = residentMib();
  const processes = [gateway.pid, agent.pid].map((pid) => ({ pid, descriptors: descriptorsOf(pid).length }));
  await callAll(seeds, counts);
  t.diagnostic(counts.text);
  assert.deepEqual(bugs, []);
  assert.deepEqual([gateway.process.exitCode, agent.process.exitCode], [null, null]);
  assert.deepEqual([gateway.process.signalCode, agent.process.signalCode], [null, null]);
  for (const log of [gateway.log, agent.log]) assert.doesNotMatch(log, /"level":[56]0/);
  assert.ok(gateway.memoryKb('VmHWM') < MEMORY_MAX_KB, `the gateway had ${gateway.memoryKb('VmHWM')} kB`);
  assert.ok(residentMib() - memoryMib < GROWTH_MIB, `the agent had ${memoryMib} MiB, and has ${residentMib()}`);
  // Much must have come through to where something is done, else only what refuses it would be tested.
  for (const { path } of seeds) if (!NEVER_SERVED.has(path)) assert.ok(counts.taken(path) > 0, `${path} is served`);
  for (const path of CHANGING) {
    assert.ok(counts.taken(path) >= TAKEN_MIN, `${path} is taken in ${counts.taken(path)} % of all cases`);
  }
  await assertKernelIsWish();
  for (const { pid, descriptors } of processes) {
    // Connections to the agent stay for a while, when there were calls, and there are two when one was changed for another.
    const isSo = () => (descriptorsOf(pid).length <= descriptors + SPARE_DESCRIPTORS ? true : undefined);
    await eventually(isSo, `no more descriptors than before: ${descriptorsOf(pid).join(' ')}`, CLEAN_LIMIT_MS);
  }
});

/** Makes all calls, each with messages of its own. */
async function callAll(seeds: readonly Seed[], counts: Counts): Promise<void> {
  const random = new Random(SEED);
  const others = seeds.flatMap(({ messages }) => messages);
  using allowed = await HostileCalls.open({ path: gateway.socketPath });
  using denied = await HostileCalls.open({ host: '127.0.0.1', port: 7791 });
  let begun = 0;
  const caller = async () => {
    while (begun < CALLS) {
      const isDenied = ++begun % DENIED_EVERY === 0;
      const { path, messages, goesOn } = random.pick(seeds);
      const bytes = Buffer.concat(damaged(messages, others, random).map((message) => grpcMessage(message)));
      const calls = isDenied || path === ENDS_THE_AGENT ? denied : allowed;
      const ended = await calls.call(path, bytes, { 'grpc-timeout': goesOn ? STREAM_TIMEOUT : TIMEOUT });
      const { code, message } = ended;
      const what = `${path} of ${bytes.toString('hex')}: ${JSON.stringify(ended)}`;
      assert.ok(code !== undefined, what);
      assert.doesNotMatch(message, /\bbug:/, what);
      const isOk = code === OK;
      if (calls === denied) assert.ok(!isOk || path === WHO_AM_I, what);
      else counts.add(path, isOk || (goesOn && ended.bytes > 0));
      // A policy that was taken may leave root nothing but to set another.
      if (isOk && path === SET_POLICY) await restorePolicy(allowed);
      // Somebody may have deleted it.
      tables.put(readyTable(TABLE));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
}

async function restorePolicy(calls: HostileCalls): Promise<void> {
  const request = gatewayDefinition().SetPolicy.requestSerialize({ policy: POLICY });
  const { code, message } = await calls.call(SET_POLICY, grpcMessage(request), { 'grpc-timeout': TIMEOUT });
  assert.equal(code, OK, message);
}

/** The messages of one call with damage to one of them, of which half are a little otherwise only. */
function damaged(messages: readonly Buffer[], others: readonly Buffer[], random: Random): Buffer[] {
  const at = random.below(messages.length);
  const isGentle = random.below(2) === 0;
  return messages.map((message, n) => {
    if (n !== at) return message;
    return isGentle ? vary(message, random) : mutate(message, others, random);
  });
}

/** How often the methods were called, and served. */
class Counts {
  readonly #counts = new Map<string, { calls: number; taken: number }>();

  add(path: string, isTaken: boolean): void {
    const { calls, taken } = this.#counts.get(path) ?? { calls: 0, taken: 0 };
    this.#counts.set(path, { calls: calls + 1, taken: taken + (isTaken ? 1 : 0) });
  }

  /** Of a hundred calls of a method those that were served. */
  taken(path: string): number {
    const { calls, taken } = this.#counts.get(path) ?? { calls: 0, taken: 0 };
    return calls === 0 ? 0 : (100 * taken) / calls;
  }

  get text(): string {
    const lines = [...this.#counts].map(
      ([path, { calls, taken }]) => `${path.slice(path.lastIndexOf('/') + 1)} ${taken} of ${calls}`,
    );
    return `taken: ${lines.sort().join(', ')}`;
  }
}

function residentMib(): number {
  const [thread] = agent.threads();
  return Number(thread?.get('VmRSS')?.split(' ')[0]) / 1024;
}

/** Another agent, which is told the same at once, must give its kernel the same. */
async function assertKernelIsWish(): Promise<void> {
  // What waits for confirmation, and what outlives its session, may go just now.
  for (let attempt = 1; ; attempt++) {
    const { revision, entries } = await list(agent.client);
    const [kernel, wished] = await bothKernels(entries);
    if ((await list(agent.client)).revision !== revision && attempt < ATTEMPTS) continue;
    assert.deepEqual(kernel, wished, 'the kernel has what is wished');
    return;
  }
}

/** The entries of the kernel, and of that of a new agent with the same wishes. */
async function bothKernels(entries: readonly Entry__Output[]): Promise<[string[], string[]]> {
  using other = routerTopology();
  using fresh = await startAgent(other.router, { table: TABLE });
  const owned = new Map<string, Resource[]>();
  for (const { owners, resource } of entries) {
    if (resource === null) throw new Error('bug: an entry without a resource');
    for (const owner of owners) owned.set(owner, [...(owned.get(owner) ?? []), resource]);
  }
  assert.ok(owned.size > 0);
  for (const [owner, resources] of owned) await new TableClient(fresh, owner).replace(resources);
  const kernelOf = ({ router }: RouterTopology) =>
    FAMILY_CASES.flatMap((family) => kernelEntries(router, family, TABLE));
  return [kernelOf(topology), kernelOf(other)];
}

/** Messages of one call of a method. */
interface Seed {
  readonly path: string;
  readonly messages: readonly Buffer[];
  /** The call does not end by itself. */
  readonly goesOn: boolean;
}

/** At least one call that is as it should be for each method. */
function validMessages(): Seed[] {
  const routing = routingDefinition();
  const tableService = tableDefinition();
  const own = gatewayDefinition();
  /** A call with these messages. */
  const of = <Request>(
    method: { readonly path: string; readonly requestSerialize: (request: Request) => Buffer },
    ...requests: readonly Request[]
  ): Seed => ({
    path: method.path,
    messages: requests.map((request) => method.requestSerialize(request)),
    goesOn: GOING_ON.has(method.path),
  });
  const table = TABLE;
  const rules = [
    route('in0', '239.1.1.1', ['out1', 'out2@5'], { label: 'studio' }),
    route('in0', '232.1.1.1', ['out1'], { source: '10.0.0.2' }),
    route('in0', '239.2.0.0/16', ['out+'], { except: ['10.9.0.0/16'] }),
    route('in0', 'ff3e::1:1', ['out2'], { source: '2001:db8:1000::2' }),
    route('out1', 'ff1e::7', ['in0'], { deny: true }),
  ];
  const changes = rules.map((put) => ({ put }));
  const key = rules[0]?.mroute?.key ?? null;
  const known = [
    of(routing.Apply, { table, owner: 'a', changes, comment: 'first' }),
    of(routing.Apply, { table, owner: 'b', changes: [{ deleteExisting: { mroute: key } }], validateOnly: true }),
    of(routing.Apply, { table, owner: 'b', changes: [...changes, { deleteExisting: { mroute: key } }] }),
    of(routing.Apply, { table, owner: 'g', changes, requestId: 'r1' }),
    of(routing.Apply, { table, owner: 'e', changes: [...changes].reverse(), strict: true }),
    of(routing.Replace, { table, owner: 'c', resources: rules, confirmWithin: { seconds: 1 } }),
    of(routing.Replace, { table, owner: 'e', resources: rules.slice(0, 2) }, { resources: rules.slice(2) }),
    of(
      routing.Modify,
      { table, session: { owner: 'd', electionId: 7, holdTime: { seconds: 1 } } },
      { changes: { changes } },
    ),
    of(routing.Modify, { table, session: { owner: 'f' } }, { changes: { changes } }, { changes: { changes } }),
    of(routing.Confirm, { table, owner: 'c' }),
    of(routing.List, { table, view: 'VIEW_FULL', filter: { owner: 'a', group: '239.0.0.0/8' } }),
    of(routing.Watch, { table, filter: { states: ['STATE_PROGRAMMED'] }, afterRevision: 3 }),
    of(routing.Watch, { table }),
    of(routing.ListMfc, { table, view: 'VIEW_FULL' }),
    of(routing.Rollback, { table, owner: 'a' }),
    of(tableService.CreateTable, { table: 7, settings: { name: 'lab', mrulePriority: 4_100 } }),
    of(own.SetPolicy, { policy: POLICY }),
    ...STANDARD_CALLS,
  ];
  // Of all others a table is all that a request must have.
  const paths = Object.values(SERVICES).flatMap((methods) => Object.values(methods).map(({ path }) => path));
  const missing = paths.filter((path) => known.every((seed) => seed.path !== path));
  return [...known, ...missing.map((path) => ({ path, messages: [Buffer.of(8, TABLE)], goesOn: GOING_ON.has(path) }))];
}

/** Methods whose calls go on until they are cancelled. */
const GOING_ON: ReadonlySet<string> = new Set([
  '/mcroute.v1.RoutingService/Watch',
  '/mcroute.v1.TableService/WatchTables',
  '/mcroute.v1.GatewayService/WatchAudit',
  '/grpc.health.v1.Health/Watch',
]);

/** Health (service is field 1), and reflection (list_services is field 7, file_containing_symbol field 4, file_by_filename 3). */
const STANDARD_CALLS: readonly Seed[] = [
  ...['Check', 'Watch', 'List'].map((name) => {
    const path = `/grpc.health.v1.Health/${name}`;
    return { path, messages: [textField(1, `mcroute.v1.RoutingService/${TABLE}`)], goesOn: GOING_ON.has(path) };
  }),
  ...['v1', 'v1alpha'].map((version) => ({
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    messages: [
      textField(7, ''),
      textField(4, 'mcroute.v1.RoutingService'),
      textField(3, 'mcroute/v1/routing_service.proto'),
    ],
    // A message that cannot be decoded after others leaves a call of grpc-js open: its client alone waits.
    goesOn: true,
  })),
];

/** A message with one field, which is a short text. */
function textField(number: number, text: string): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2, text.length), Buffer.from(text)]);
}
