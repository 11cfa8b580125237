// Who forwards new flows: mcroute, a daemon in C, smcroute; each in a network of its own, with one rule and other routes.
import type { ChildProcess } from 'node:child_process';
import type { GetCapabilitiesResponse__Output } from '../src/api/generated/mcroute/v1/GetCapabilitiesResponse.js';
import { deadlineAfter, unary } from '../src/api/client.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import { type RouterTopology, routerTopology } from '../test/support/topology.js';
import { waitForExit, waitForLine } from '../test/support/wait.js';
import { addRoutes, apply } from './calls.js';
import { Peer } from './peer.js';
import type { Program } from './program.js';
import { configurationLines } from './routes.js';

const TABLE = 357;
const READY_LIMIT_MS = 60_000;

/** What flows are forwarded by, from in0 to out1. */
export interface FlowRule {
  readonly family: 'ipv4' | 'ipv6';
  /** The first group of the flows. */
  readonly group: string;
  /** The address's own length: all flows have this group, and the kernel knows it. Else each flow has its own group. */
  readonly length: number;
}

export const EXACT: FlowRule = { family: 'ipv4', group: '239.7.0.1', length: 32 };
export const PREFIX: FlowRule = { family: 'ipv4', group: '239.8.0.0', length: 16 };
export const PREFIX_IPV6: FlowRule = { family: 'ipv6', group: 'ff1e::8:0:0', length: 96 };

export function isExact({ family, length }: FlowRule): boolean {
  return length === (family === 'ipv4' ? 32 : 128);
}

/** A router that forwards by the rule. */
export interface Contender extends Disposable {
  readonly topology: RouterTopology;
}

export interface McrouteContender extends Contender {
  readonly agent: Agent;
}

/** An agent with the rule and so many other routes. */
export async function openMcroute(rule: FlowRule, routes: number): Promise<McrouteContender> {
  const topology = routerTopology();
  try {
    const agent = await startAgent(topology.router, { table: TABLE });
    await addRoutes(agent.client, routes);
    const mroute = { key: { iif: 'in0', group: groupOf(rule) }, oifs: [{ interface: 'out1' }] };
    await apply(agent.client, { changes: [{ put: { mroute } }] });
    return {
      topology,
      agent,
      [Symbol.dispose]: () => {
        dispose(agent, topology);
      },
    };
  } catch (error) {
    topology[Symbol.dispose]();
    throw error;
  }
}

/** For the notes of a report. */
export async function priorityNote({ agent }: McrouteContender): Promise<string> {
  const { realtimeUpcalls } = await unary<GetCapabilitiesResponse__Output>((callback) =>
    agent.client.GetCapabilities({}, { deadline: deadlineAfter(READY_LIMIT_MS) }, callback),
  );
  return `mcroute answered upcalls at ${realtimeUpcalls ? 'real-time' : 'normal'} priority`;
}

/** The same of upcall-daemon.c, on a table with an mrule as ours. */
export async function openLimit(program: Program, rule: FlowRule, routes: number): Promise<Contender> {
  const topology = routerTopology();
  try {
    const [option, digit] = rule.family === 'ipv4' ? ['-4', '4'] : ['-6', '6'];
    topology.router.run('ip', [option, 'mrule', 'add', 'iif', 'in0', 'table', String(TABLE)]);
    const words = [String(TABLE), digit, 'in0', 'out1', rule.group, String(rule.length), String(routes)];
    const daemon = topology.router.spawn(program.path, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (daemon.stdout === null) throw new Error('bug: its output is not read');
    await waitForLine(daemon.stdout, /^ready$/, READY_LIMIT_MS);
    return {
      topology,
      [Symbol.dispose]: () => {
        dispose(killer(daemon), topology);
      },
    };
  } catch (error) {
    topology[Symbol.dispose]();
    throw error;
  }
}

/** The same of smcroute, on the default table. */
export async function openPeer(rule: FlowRule, routes: number): Promise<Contender> {
  const topology = routerTopology();
  try {
    const file = `${configurationLines(routes)}mroute from in0 group ${groupOf(rule)} to out1\n`;
    const peer = await Peer.start(topology.router, { file });
    return {
      topology,
      [Symbol.dispose]: () => {
        dispose(peer, topology);
      },
    };
  } catch (error) {
    topology[Symbol.dispose]();
    throw error;
  }
}

/** Forwards nothing any more. */
export async function closeMcroute({ agent }: McrouteContender): Promise<void> {
  await agent.stop();
}

function groupOf(rule: FlowRule): string {
  return isExact(rule) ? rule.group : `${rule.group}/${rule.length}`;
}

function killer(child: ChildProcess): Disposable {
  return {
    [Symbol.dispose]: () => {
      child.kill('SIGKILL');
      // Its namespace waits for nothing.
      void waitForExit(child).catch(() => undefined);
    },
  };
}

function dispose(first: Disposable, second: Disposable): void {
  first[Symbol.dispose]();
  second[Symbol.dispose]();
}
