// `npm run demo`: a supervisor and two agents forward streams of both families on this machine's kernel, while their
// tables change and they are killed and replaced.
// Run by scripts/isolate.sh, in namespaces that vanish with it however it ends; no file is written anywhere else.
import { constants, release } from 'node:os';
import { FAMILIES, type Family } from '../../src/model/address.js';
import { KeptSupervisor } from '../support/kept-supervisor.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { Watch, control, forTable, typed } from './control.js';
import { type StreamCount, type Takeover, problemsOf } from './counts.js';
import { happen } from './happenings.js';
import { describePrivileges, findRemains } from './kernel-words.js';
import { showUntil } from './live.js';
import { CONFIGURATION, EDIT, type Stream, TABLES, commandsFor, planStreams } from './scenario.js';
import { Screen } from './screen.js';
import { Streams } from './streams.js';
import { renderCommand, renderEvent, renderTable, renderTimed, renderVerdict } from './view.js';

/** Of the supervisor's log that are shown when the demo fails. */
const LOG_LINES = 10;

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
  using host = new KeptSupervisor(topology.router, CONFIGURATION);
  try {
    return await showHost(topology, host);
  } catch (error) {
    screen.frame([]);
    for (const line of lastWords(host)) screen.line(line);
    throw error;
  }
}

async function showHost(topology: RouterTopology, host: KeptSupervisor): Promise<number> {
  await begin(host);
  const families = await familiesOf(host);
  if (!families.includes('ipv6')) {
    screen.line(styles.notable('IPv6: this kernel does not have it, so only IPv4 is shown'));
  }
  const streams = planStreams(families, (sender, family) => topology.sender(sender)[family]);
  await configure(host, streams);
  const { counts, takeovers } = await run(topology, host, streams);
  const problems = [...problemsOf(counts), ...(await hearKernel(host)), ...(await end(host, families))];
  screen.line();
  for (const line of renderVerdict(counts, takeovers, problems, styles)) screen.line(line);
  return problems.length === 0 ? 0 : 1;
}

/** The end of the log of the supervisor and its agents. */
function lastWords({ log }: KeptSupervisor): readonly string[] {
  if (log === '') return [];
  return [
    styles.bad('the log of the supervisor and its agents ends so:'),
    ...log.trimEnd().split('\n').slice(-LOG_LINES),
  ];
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

/** Starts the supervisor, which starts an agent for each table of its file. */
async function begin(host: KeptSupervisor): Promise<void> {
  screen.line();
  showText('cat mcroute.yaml', CONFIGURATION);
  const tables = TABLES.map(({ table }) => table);
  await screen.step('Starting the supervisor, and by it an agent for each table', () => host.start(...tables));
  await show(host, ['table', 'list']);
}

/** The families that every agent has found in the kernel. */
async function familiesOf(host: KeptSupervisor): Promise<readonly Family[]> {
  const words = ['capabilities', '-o', 'json'];
  const answers = await Promise.all(TABLES.map(({ table }) => control(host, forTable(table, words))));
  const found = answers.map((answer) => (JSON.parse(answer) as { families: readonly Family[] }).families);
  return FAMILIES.filter((family) => found.every((families) => families.includes(family)));
}

/** Joins the groups and adds the routes. */
async function configure(host: KeptSupervisor, streams: readonly Stream[]): Promise<void> {
  screen.line();
  screen.line('Telling the agents what to forward');
  for (const { table, words } of commandsFor(streams)) {
    const command = forTable(table, words);
    screen.line(`  ${renderCommand(typed(command), styles)}`);
    await control(host, command);
  }
}

/** Sends the streams, and changes and replaces meanwhile what forwards them. */
async function run(
  topology: RouterTopology,
  host: KeptSupervisor,
  plan: readonly Stream[],
): Promise<{ readonly counts: readonly StreamCount[]; readonly takeovers: readonly Takeover[] }> {
  const unplugged = plan.find(({ isUnplugged }) => isUnplugged);
  if (unplugged === undefined) throw new Error('bug: no stream is unplugged');
  screen.line();
  using streams = await screen.step('Joining the groups behind each receiver', () => Streams.open(topology, plan));
  let startedMs = performance.now();
  const tell = (line: string) => {
    screen.line(renderTimed(performance.now() - startedMs, line));
  };
  const watches = new Map<number, Watch>();
  let takeovers: readonly Takeover[];
  try {
    await screen.step('Watching both tables (mcctl watch --reconnect)', async () => {
      for (const { table } of TABLES) {
        const onEvent = (line: string) => {
          tell(renderEvent(table, line, styles));
        };
        watches.set(table, await Watch.open(host, table, onEvent));
      }
    });
    screen.line(`Sending ${plan.length} streams; meanwhile a route comes and goes, and so does an interface;`);
    screen.line('then an agent is killed, the other one is restarted, and the supervisor is killed with both');
    startedMs = performance.now();
    await streams.start();
    const family = plan.at(-1)?.family ?? 'ipv4';
    const count = () => streams.count();
    const happenings = happen({ topology, host, watches, streams, count, unplugged, family, styles, tell });
    await showUntil(Promise.all([happenings, streams.untilSent()]), streams, screen, startedMs);
    takeovers = await happenings;
  } finally {
    for (const watch of watches.values()) watch[Symbol.dispose]();
  }
  const counts = await streams.finish();
  screen.line();
  for (const line of renderTable(counts, styles)) screen.line(line);
  return { counts, takeovers };
}

/** Shows what the kernel has counted, and what it lets the agents do; gives what is wrong with that. */
async function hearKernel(host: KeptSupervisor): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { table, pid } of await host.list()) {
    screen.line();
    try {
      await show(host, forTable(table, ['show', '-o', 'wide']));
      const privileges = describePrivileges(table, pid);
      screen.line(renderCommand(`cat /proc/${pid}/task/*/status`, styles));
      screen.line(privileges.line);
      problems.push(...privileges.problems);
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  return problems;
}

/** Stops one table, then all; gives what is left. */
async function end(host: KeptSupervisor, families: readonly Family[]): Promise<readonly string[]> {
  screen.line();
  await show(host, ['table', 'stop', EDIT.name]);
  await show(host, ['table', 'list']);
  screen.line(`${renderCommand(`kill -TERM ${host.pid}`, styles, '#')}   ${styles.faint('the supervisor')}`);
  const status = await screen.step('Stopping the supervisor', () => host.end('SIGTERM'));
  const problems = [...(status === 0 ? [] : [`the supervisor ended with ${status}`]), ...findRemains(host, families)];
  if (problems.length === 0)
    screen.line('Nothing is left: no process, no socket, no mrule, no entry, no kept descriptor');
  return problems;
}

/** Runs mcctl and shows what it prints. */
async function show(host: KeptSupervisor, words: readonly string[]): Promise<void> {
  showText(typed(words), await control(host, words));
}

function showText(command: string, text: string): void {
  screen.line(renderCommand(command, styles));
  for (const line of text.trimEnd().split('\n')) screen.line(line);
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
