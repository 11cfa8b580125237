// Agents and their supervisor end while the streams run, and others take over what they leave in the kernel.
import type { KeptSupervisor } from '../support/kept-supervisor.js';
import { eventually, waitForExit } from '../support/wait.js';
import { control, typed } from './control.js';
import { type StreamCount, type Takeover, takeoverOf } from './counts.js';
import { EDIT, STUDIO, TABLES, type Table } from './scenario.js';
import { type Palette, renderCommand, renderTakeover } from './view.js';

/** Whose processes end, and where that is told. */
export interface Ground {
  readonly host: KeptSupervisor;
  readonly styles: Palette;
  readonly tell: (line: string) => void;
  /** What has been sent and has arrived so far. */
  readonly count: () => Promise<readonly StreamCount[]>;
}

/** An agent is killed. */
export async function killAgent(ground: Ground): Promise<readonly Takeover[]> {
  const { host, tell, styles } = ground;
  const pid = pidOf(await host.list(), STUDIO);
  return replaced(ground, [STUDIO], () => {
    tell(`${renderCommand(`kill -KILL ${pid}`, styles, '#')}   ${styles.faint(`the agent of table ${STUDIO.table}`)}`);
    process.kill(pid, 'SIGKILL');
  });
}

/** An agent is told to make room for the next, as by an upgrade. */
export async function restartTable(ground: Ground): Promise<readonly Takeover[]> {
  const { host, tell, styles } = ground;
  return replaced(ground, [EDIT], async () => {
    const words = ['table', 'restart', EDIT.name];
    tell(renderCommand(typed(words), styles));
    tell((await control(host, words)).trimEnd());
  });
}

/** The supervisor is killed; the agents die with it, and what keeps its descriptors starts it again. */
export async function killSupervisor(ground: Ground): Promise<readonly Takeover[]> {
  const { host, tell, styles } = ground;
  return replaced(ground, TABLES, async () => {
    const remark = styles.faint('the supervisor; its agents end with it');
    tell(`${renderCommand(`kill -KILL ${host.pid}`, styles, '#')}   ${remark}`);
    host.process.kill('SIGKILL');
    await waitForExit(host.process);
    host.spawn();
    tell(`its keeper, here in place of systemd, has started it again: supervisor ${host.pid}`);
  });
}

/** Acts, and waits until other agents serve the tables. */
async function replaced(
  ground: Ground,
  tables: readonly Table[],
  act: () => void | Promise<void>,
): Promise<readonly Takeover[]> {
  const entries = await ground.host.list();
  const takeovers = tables.map((table) => seeTakeover(ground, table, pidOf(entries, table)));
  const [seen] = await Promise.all([Promise.all(takeovers), (async () => act())()]);
  return seen;
}

/** Waits until the agent has ended and another serves. */
async function seeTakeover(ground: Ground, { table, name }: Table, before: number): Promise<Takeover> {
  const { host, styles, tell, count } = ground;
  const serving = async () => {
    // While the supervisor is away nobody answers.
    const entries = await host.list().catch(() => []);
    return entries.find((entry) => entry.table === table && entry.state === 'STATE_READY')?.pid;
  };
  const gone = async () => ((await serving()) === before ? undefined : true);
  await eventually(gone, `the end of agent ${before} of table ${table}`, TAKEOVER_LIMIT_MS);
  const startMs = performance.now();
  const countsBefore = await count();
  const next = async () => {
    const pid = await serving();
    return pid === before ? undefined : pid;
  };
  const after = await eventually(next, `another agent of table ${table}`, TAKEOVER_LIMIT_MS);
  const tookMs = performance.now() - startMs;
  const takeover = takeoverOf({ table, name, before, after, tookMs }, countsBefore, await count());
  tell(renderTakeover(takeover, styles));
  return takeover;
}

/** The process of the table's agent. */
function pidOf(entries: Awaited<ReturnType<KeptSupervisor['list']>>, { table }: Table): number {
  const pid = entries.find((entry) => entry.table === table)?.pid ?? 0;
  // kill(2) takes 0 for all of our own process group.
  if (pid === 0) throw new Error(`table ${table} has no agent`);
  return pid;
}

/** About a second; a busy machine may take its time. */
const TAKEOVER_LIMIT_MS = 30_000;
