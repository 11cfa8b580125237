// What happens to the tables while the streams run: changes that must not be felt by those they are not about.
import type { Family } from '../../src/model/address.js';
import { connect } from '../support/namespaces.js';
import type { RouterTopology } from '../support/topology.js';
import { type Watch, control, forTable, typed } from './control.js';
import type { Takeover } from './counts.js';
import { EDIT, RATE, type Stream, UNPLUGGED_OIF } from './scenario.js';
import type { Streams } from './streams.js';
import { type Ground, killAgent, killSupervisor, restartTable } from './takeovers.js';
import { renderCommand } from './view.js';

/** What the happenings are done to. */
export interface Stage extends Ground {
  readonly topology: RouterTopology;
  /** Those of the tables, by their ids. */
  readonly watches: ReadonlyMap<number, Watch>;
  readonly streams: Streams;
  readonly unplugged: Stream;
  /** Family of the route that comes and goes. */
  readonly family: Family;
}

/** Does them one after the other, a second or so apart; resolves when all watches have found the last agents. */
export async function happen(stage: Stage): Promise<readonly Takeover[]> {
  const { streams } = stage;
  await streams.untilArrived(RATE);
  await addRoute(stage);
  await streams.untilArrived(2 * RATE);
  await removeRoute(stage);
  await streams.untilArrived(3 * RATE);
  await unplug(stage);
  await streams.untilArrived(4.5 * RATE);
  await plugIn(stage);
  await streams.untilArrived(6 * RATE);
  const killed = await killAgent(stage);
  await streams.untilArrived(8 * RATE);
  const restarted = await restartTable(stage);
  await streams.untilArrived(10 * RATE);
  const last = await killSupervisor(stage);
  await Promise.all([...stage.watches.values()].map((watch) => watch.untilSynced()));
  return [...killed, ...restarted, ...last];
}

async function addRoute(stage: Stage): Promise<void> {
  const { iif, source, group } = passing(stage);
  await type(stage, ['add', iif, source, group, 'out1'], new RegExp(`, ${group}\\).*: programmed`));
}

async function removeRoute(stage: Stage): Promise<void> {
  const { iif, source, group } = passing(stage);
  await type(stage, ['remove', iif, source, group], new RegExp(`^- .*, ${group}\\)`));
}

/** Deletes the interface; its stream's route waits for it from then on. */
async function unplug(stage: Stage): Promise<void> {
  const { topology, streams, unplugged, styles, tell } = stage;
  // The memberships would go with the interface.
  await streams.leave(UNPLUGGED_OIF);
  await together(stage, unplugged.table, stateOf(unplugged, 'pending'), () => {
    tell(renderCommand(`ip link delete ${UNPLUGGED_OIF}`, styles, '#'));
    topology.router.delete(UNPLUGGED_OIF);
  });
}

/** Makes the interface again; its stream goes on. */
async function plugIn(stage: Stage): Promise<void> {
  const { topology, streams, unplugged, styles, tell } = stage;
  const host = topology.receivers.find(({ routerInterface }) => routerInterface === UNPLUGGED_OIF);
  if (host === undefined) throw new Error(`bug: there is no ${UNPLUGGED_OIF}`);
  await together(stage, unplugged.table, stateOf(unplugged, 'programmed'), () => {
    tell(renderCommand(`ip link add ${UNPLUGGED_OIF} type veth peer eth0 netns ${host.namespace.name}`, styles, '#'));
    connect(
      { namespace: topology.router, interface: UNPLUGGED_OIF },
      { namespace: host.namespace, interface: host.interface, addresses: [`${host.ipv4}/24`] },
    );
  });
  await streams.rejoin(UNPLUGGED_OIF);
}

/** A route that no stream uses, beside the streams of its table. */
function passing({ family }: Stage): { iif: string; source: string; group: string } {
  const iif = `in${EDIT.sender}`;
  return family === 'ipv6'
    ? { iif, source: '2001:db8:ffff::9', group: 'ff3e::50' }
    : { iif, source: '192.0.2.9', group: '232.1.1.50' };
}

async function type(stage: Stage, words: readonly string[], told: RegExp): Promise<void> {
  const { host, styles, tell } = stage;
  const command = forTable(EDIT.table, words);
  await together(stage, EDIT.table, told, async () => {
    tell(renderCommand(typed(command), styles));
    await control(host, command);
  });
}

/** Acts, and waits for what the table's watch tells of it. */
async function together(
  { watches }: Stage,
  table: number,
  told: RegExp,
  act: () => void | Promise<void>,
): Promise<void> {
  const watch = watches.get(table);
  if (watch === undefined) throw new Error(`bug: table ${table} is not watched`);
  await Promise.all([watch.next(told), (async () => act())()]);
}

function stateOf({ group }: Stream, state: string): RegExp {
  return new RegExp(`, ${group}\\).*: ${state}`);
}
