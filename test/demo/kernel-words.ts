// What the kernel itself says: the privileges of the agents' threads, and what is left in the end.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../../src/model/address.js';
import { threadsOf } from '../support/agent.js';
import type { KeptSupervisor } from '../support/kept-supervisor.js';
import { NET_ADMIN_ONLY } from '../support/launcher.js';
import type { Namespace } from '../support/namespaces.js';
import { TABLES } from './scenario.js';

/** Sets of capabilities(7), as /proc/PID/task/TID/status names them. */
const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'];

/** The privileges of an agent's threads in a line, and a problem for each thread with other ones. */
export function describePrivileges(
  table: number,
  pid: number,
): { readonly line: string; readonly problems: readonly string[] } {
  const threads = threadsOf(pid);
  const problems = threads.flatMap((status) =>
    SETS.filter((set) => status.get(set) !== NET_ADMIN_ONLY).map(
      (set) => `agent of table ${table}, thread ${status.get('Pid') ?? ''}: ${set} ${status.get(set) ?? ''}`,
    ),
  );
  const values = new Set(threads.flatMap((status) => SETS.map((set) => status.get(set) ?? '')));
  const user = threads[0]?.get('Uid')?.split(/\s+/)[0] ?? '';
  const line = `${threads.length} threads of user ${user}: ${SETS.join(' ')} ${[...values].join(' ')}`;
  return { line, problems };
}

/** What is left after the supervisor has stopped: nothing, or a problem a line. */
export function findRemains(host: KeptSupervisor, families: readonly Family[]): readonly string[] {
  const { namespace, runtimeDirectory, keeper } = host;
  const sockets = readdirSync(runtimeDirectory).filter((name) => statSync(join(runtimeDirectory, name)).isSocket());
  return [
    ...namespace.pids().map((pid) => `left behind: process ${pid}`),
    ...sockets.map((name) => `left behind: socket ${join(runtimeDirectory, name)}`),
    ...keeper.names.map((name) => `left behind: descriptor ${name} with the keeper`),
    ...findKernelRemains(namespace, families),
  ];
}

function findKernelRemains(router: Namespace, families: readonly Family[]): readonly string[] {
  return families.flatMap((family) => {
    const ip = (...words: readonly string[]) => router.run('ip', [FAMILY_OPTION[family], ...words]).split('\n');
    const rules = ip('mrule', 'show');
    return TABLES.flatMap(({ table }) => [
      ...rules
        .filter((rule) => new RegExp(`lookup ${table}\\b`).test(rule))
        .map((rule) => `left behind: mrule ${rule}`),
      ...ip('mroute', 'show', 'table', String(table))
        .filter((entry) => entry !== '')
        .map((entry) => `left behind in table ${table}: ${entry}`),
    ]);
  });
}

const FAMILY_OPTION = { ipv4: '-4', ipv6: '-6' } as const satisfies Record<Family, string>;
