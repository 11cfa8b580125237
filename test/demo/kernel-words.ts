// What the kernel itself says: its counters, and the privileges of the agents' threads.
import type { Family } from '../../src/model/address.js';
import type { Agent } from '../support/agent.js';
import { NET_ADMIN_ONLY } from '../support/launcher.js';
import type { Namespace } from '../support/namespaces.js';
import { TABLES } from './scenario.js';

/** Sets of capabilities(7), as /proc/PID/task/TID/status names them. */
const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'];

/** The privileges of an agent's threads in a line, and a problem for each thread with other ones. */
export function describePrivileges(agent: Agent): { readonly line: string; readonly problems: readonly string[] } {
  const threads = agent.threads();
  const problems = threads.flatMap((status) =>
    SETS.filter((set) => status.get(set) !== NET_ADMIN_ONLY).map(
      (set) => `agent of table ${agent.table}, thread ${status.get('Pid') ?? ''}: ${set} ${status.get(set) ?? ''}`,
    ),
  );
  const values = new Set(threads.flatMap((status) => SETS.map((set) => status.get(set) ?? '')));
  const user = threads[0]?.get('Uid')?.split(/\s+/)[0] ?? '';
  const line = `${threads.length} threads of user ${user}: ${SETS.join(' ')} ${[...values].join(' ')}`;
  return { line, problems };
}

/** What is left in the kernel of the tables after their agents have stopped: nothing, or a problem a line. */
export function findRemains(router: Namespace, families: readonly Family[]): readonly string[] {
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
