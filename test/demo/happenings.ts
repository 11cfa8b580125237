// What happens to the tables while the streams run: changes that must not be felt by those they are not about.
import type { Family } from '../../src/model/address.js';
import type { Agent } from '../support/agent.js';
import { connect } from '../support/namespaces.js';
import type { RouterTopology } from '../support/topology.js';
import { type Watch, control, typed } from './control.js';
import { RATE, type Stream, UNPLUGGED_OIF } from './scenario.js';
import type { Streams } from './streams.js';
import { renderCommand } from './view.js';
import type { Palette } from './view.js';

/** What the happenings are done to. */
export interface Stage {
  readonly topology: RouterTopology;
  /** An agent and its watch; a route comes and goes at the last one, an interface at that of the unplugged stream. */
  readonly agents: readonly { readonly agent: Agent; readonly watch: Watch }[];
  readonly streams: Streams;
  readonly unplugged: Stream;
  /** Family of the route that comes and goes. */
  readonly family: Family;
  readonly styles: Palette;
  /** Tells a line of what is done. */
  readonly tell: (line: string) => void;
}

/** Does them one after the other, a second or so apart; resolves when the last has been told by a watch. */
export async function happen(stage: Stage): Promise<void> {
  const { streams } = stage;
  await streams.untilArrived(RATE);
  await addRoute(stage);
  await streams.untilArrived(2 * RATE);
  await removeRoute(stage);
  await streams.untilArrived(3 * RATE);
  await unplug(stage);
  await streams.untilArrived(5 * RATE);
  await plugIn(stage);
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
async function unplug({ topology, agents, streams, unplugged, styles, tell }: Stage): Promise<void> {
  // The memberships would go with the interface.
  await streams.leave(UNPLUGGED_OIF);
  await together(watchOf(agents, unplugged.table).next(stateOf(unplugged, 'pending')), () => {
    tell(renderCommand(`ip link delete ${UNPLUGGED_OIF}`, styles, '#'));
    topology.router.delete(UNPLUGGED_OIF);
  });
}

/** Makes the interface again; its stream goes on. */
async function plugIn({ topology, agents, streams, unplugged, styles, tell }: Stage): Promise<void> {
  const host = topology.receivers.find(({ routerInterface }) => routerInterface === UNPLUGGED_OIF);
  if (host === undefined) throw new Error(`bug: there is no ${UNPLUGGED_OIF}`);
  await together(watchOf(agents, unplugged.table).next(stateOf(unplugged, 'programmed')), () => {
    tell(renderCommand(`ip link add ${UNPLUGGED_OIF} type veth peer eth0 netns ${host.namespace.name}`, styles, '#'));
    connect(
      { namespace: topology.router, interface: UNPLUGGED_OIF },
      { namespace: host.namespace, interface: host.interface, addresses: [`${host.ipv4}/24`] },
    );
  });
  await streams.rejoin(UNPLUGGED_OIF);
}

/** A route that no stream uses, beside the streams of the last table. */
function passing({ agents, family }: Stage): { iif: string; source: string; group: string } {
  const iif = `in${agents.length - 1}`;
  return family === 'ipv6'
    ? { iif, source: '2001:db8:ffff::9', group: 'ff3e::50' }
    : { iif, source: '192.0.2.9', group: '232.1.1.50' };
}

async function type({ agents, styles, tell }: Stage, words: readonly string[], told: RegExp): Promise<void> {
  const last = agents.at(-1);
  if (last === undefined) throw new Error('bug: there is no agent');
  await together(last.watch.next(told), async () => {
    tell(renderCommand(typed(last.agent, words), styles));
    await control(last.agent, words);
  });
}

/** Acts, and waits for what is told of it. */
async function together(told: Promise<string>, act: () => void | Promise<void>): Promise<void> {
  await Promise.all([told, (async () => act())()]);
}

function watchOf(agents: Stage['agents'], table: number): Watch {
  const found = agents.find(({ agent }) => agent.table === table);
  if (found === undefined) throw new Error(`bug: table ${table} has no agent`);
  return found.watch;
}

function stateOf({ group }: Stream, state: string): RegExp {
  return new RegExp(`, ${group}\\).*: ${state}`);
}
