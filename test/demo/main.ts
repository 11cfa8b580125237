// `npm run demo`: two agents forward streams of both families on this machine's kernel, while their tables change.
// Run by scripts/isolate.sh, in namespaces that vanish with it however it ends; no file is written anywhere else.
import { constants, release } from 'node:os';
import { FAMILIES, type Family } from '../../src/model/address.js';
import { type Agent, startAgent } from '../support/agent.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { Watch, control, typed } from './control.js';
import { type StreamCount, problemsOf } from './counts.js';
import { happen } from './happenings.js';
import { describePrivileges, findRemains } from './kernel-words.js';
import { showUntil } from './live.js';
import { type Stream, TABLES, commandsFor, planStreams } from './scenario.js';
import { Screen } from './screen.js';
import { Streams } from './streams.js';
import { renderCommand, renderEvent, renderTable, renderTimed, renderVerdict } from './view.js';

/** Of an agent's log that are shown when it has ended. */
const LOG_LINES = 5;

const screen = new Screen(process.stdout, process.env);
const { styles } = screen;
endOnSignals();
try {
  process.exitCode = await demo();
} catch (error) {
  screen.frame([]);
  screen.line(styles.bad(`the demo failed: ${messageOf(error)}`));
  process.exitCode = 1;
}

async function demo(): Promise<number> {
  screen.line(`${styles.strong('mcroute')}: one router, two multicast routing tables, on Linux ${release()}`);
  screen.line();
  using topology = await screen.step('Building a network: 2 senders, a router, 3 receivers', () =>
    routerTopology({ senders: 2, receivers: 3 }),
  );
  drawNetwork();
  const agents = await screen.step('Starting an agent for each table', () =>
    Promise.all(TABLES.map(({ table }) => startAgent(topology.router, { table }))),
  );
  try {
    return await showAgents(topology, agents);
  } catch (error) {
    for (const line of agents.flatMap(lastWords)) screen.line(line);
    throw error;
  }
}

async function showAgents(topology: RouterTopology, agents: readonly Agent[]): Promise<number> {
  const families = await familiesOf(agents);
  if (!families.includes('ipv6')) {
    screen.line(styles.notable('IPv6: this kernel does not have it, so only IPv4 is shown'));
  }
  const streams = planStreams(families, (sender, family) => topology.sender(sender)[family]);
  await configure(agents, streams);
  const counts = await run(topology, agents, streams);
  const problems = [...problemsOf(counts), ...(await hearKernel(agents))];
  await screen.step('Stopping the agents', () => Promise.all(agents.map((agent) => agent.stop())));
  problems.push(...findRemains(topology.router, families));
  screen.line();
  for (const line of renderVerdict(counts, problems, styles)) screen.line(line);
  return problems.length === 0 ? 0 : 1;
}

/** The end of the log of an agent that has ended. */
function lastWords({ table, process: { exitCode, signalCode }, log }: Agent): readonly string[] {
  if (exitCode === null && signalCode === null) return [];
  const head = `the agent of table ${table} has ended with ${String(exitCode ?? signalCode)}; its log ends so:`;
  return [styles.bad(head), ...log.trimEnd().split('\n').slice(-LOG_LINES)];
}

function drawNetwork(): void {
  for (const line of [
    '  sender0 --- in0 |        | out1 --- receiver1',
    '                  | router | out2 --- receiver2',
    '  sender1 --- in1 |        | out3 --- receiver3',
  ]) {
    screen.line(styles.faint(line));
  }
}

/** The families that every agent has found in the kernel. */
async function familiesOf(agents: readonly Agent[]): Promise<readonly Family[]> {
  const answers = await Promise.all(agents.map((agent) => control(agent, ['capabilities', '-o', 'json'])));
  const found = answers.map((answer) => (JSON.parse(answer) as { families: readonly Family[] }).families);
  return FAMILIES.filter((family) => found.every((families) => families.includes(family)));
}

/** Joins the groups and adds the routes. */
async function configure(agents: readonly Agent[], streams: readonly Stream[]): Promise<void> {
  screen.line();
  screen.line('Telling the agents what to forward');
  for (const { table, words } of commandsFor(streams)) {
    const agent = agents.find((candidate) => candidate.table === table);
    if (agent === undefined) throw new Error(`bug: table ${table} has no agent`);
    screen.line(`  ${renderCommand(typed(agent, words), styles)}`);
    await control(agent, words);
  }
}

/** Sends the streams, and changes the tables meanwhile. */
async function run(
  topology: RouterTopology,
  agents: readonly Agent[],
  plan: readonly Stream[],
): Promise<readonly StreamCount[]> {
  const unplugged = plan.find(({ isUnplugged }) => isUnplugged);
  if (unplugged === undefined) throw new Error('bug: no stream is unplugged');
  screen.line();
  using streams = await screen.step('Joining the groups behind each receiver', () => Streams.open(topology, plan));
  let startedMs = performance.now();
  const tell = (line: string) => {
    screen.line(renderTimed(performance.now() - startedMs, line));
  };
  const watched: { readonly agent: Agent; readonly watch: Watch }[] = [];
  try {
    await screen.step('Watching both tables', async () => {
      for (const agent of agents) {
        const onEvent = (line: string) => {
          tell(renderEvent(agent.table, line, styles));
        };
        watched.push({ agent, watch: await Watch.open(agent, onEvent) });
      }
    });
    screen.line(`Sending ${plan.length} streams; meanwhile a route comes and goes, and so does an interface`);
    startedMs = performance.now();
    await streams.start();
    const family = plan.at(-1)?.family ?? 'ipv4';
    const happenings = happen({ topology, agents: watched, streams, unplugged, family, styles, tell });
    await showUntil(Promise.all([happenings, streams.untilSent()]), streams, screen, startedMs);
  } finally {
    for (const { watch } of watched) watch[Symbol.dispose]();
  }
  const counts = await streams.finish();
  screen.line();
  for (const line of renderTable(counts, styles)) screen.line(line);
  return counts;
}

/** Shows what the kernel has counted, and what it lets the agents do; gives what is wrong with that. */
async function hearKernel(agents: readonly Agent[]): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const agent of agents) {
    screen.line();
    try {
      await show(agent, ['show', '-o', 'wide']);
      const privileges = describePrivileges(agent);
      screen.line(renderCommand(`cat /proc/${agent.pid}/task/*/status`, styles));
      screen.line(privileges.line);
      problems.push(...privileges.problems);
    } catch (error) {
      problems.push(messageOf(error), ...lastWords(agent));
    }
  }
  screen.line();
  return problems;
}

async function show(agent: Agent, words: readonly string[]): Promise<void> {
  screen.line(renderCommand(typed(agent, words), styles));
  for (const line of (await control(agent, words)).trimEnd().split('\n')) screen.line(line);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Namespaces, agents and workers go with this process: there is nothing that would have to be waited for. */
function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      screen.line(styles.notable(`${signal}: ending the demo; its namespaces go with it`));
      process.exit(128 + constants.signals[signal]);
    });
  }
  // Nobody reads any more, as after `| head`.
  process.stdout.on('error', () => {
    process.exit(1);
  });
}
