// Who may call what, as one table, and a request for each of its cells.
import type { FamilyCase } from '../e2e/families.js';

/** What somebody is on a host: a rule of its policy each, but for the last one, of whom no rule speaks. */
export const COLUMNS = ['viewer', 'scoped', 'operator', 'keeper', 'admin', 'nobody'] as const;
export type Column = (typeof COLUMNS)[number];

/** Tables that exist: one that the rules name, and another. */
export const TABLES = { in: 100, out: 200 } as const;

/** Tables that are made and deleted, in the rules and not; each column has its own, some numbers on. */
const MADE_TABLES = { in: 150, out: 250 } as const;

/** Which table a request names. */
export const PLACES = ['in', 'out', 'zero'] as const;
export type Place = (typeof PLACES)[number];

/** The policy in which these are the columns. */
export function policyOf(identityOf: (column: Column) => string): string {
  const rules: Record<Exclude<Column, 'nobody'>, string> = {
    viewer: 'role: viewer',
    scoped: 'role: operator, tables: [100-199], groups: [239.1.0.0/16, "ff1e::/16"], owners: [studio-*]',
    operator: 'role: operator, tables: [100-199]',
    keeper: 'role: admin, tables: [100-199]',
    admin: 'role: admin',
  };
  const lines = Object.entries(rules).map(
    ([column, rule]) => `  - { identity: "${identityOf(column as Column)}", ${rule} }\n`,
  );
  return `rules:\n${lines.join('')}`;
}

/**
 * What becomes of a call: in a table that the rules name, in another one, and with table 0.
 *
 *     +  it is done
 *     r  refused: it needs another role
 *     t  refused: no rule gives a right on the table, or on all tables
 *     s  refused: it cannot be done by halves
 *     n  refused: no rule is for the identity
 *     0  refused: it needs a table
 */
const VERDICTS = `
                                viewer scoped operator keeper admin nobody
  RoutingService.GetCapabilities  ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Apply            rr0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Replace          rr0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Modify           rr0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Confirm          rr0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Rollback         rr0    +t0    +t0     +t0    ++0   nn0
  RoutingService.ListHistory      ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.List             ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Watch            ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.ListMfc          ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.ListInterfaces   ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.ListMrules       ++0    +t0    +t0     +t0    ++0   nn0
  RoutingService.Flush            rr0    st0    +t0     +t0    ++0   nn0
  RoutingService.Reload           rr0    rt0    rt0     +t0    ++0   nn0
  TableService.CreateTable        rrr    rtt    rtt     +tt    ++0   nnn
  RoutingService.Stop             rr0    rt0    rt0     +t0    ++0   nn0
  TableService.StartTable         rrr    rtt    rtt     +tt    ++0   nnn
  TableService.RestartTable       rrr    rtt    rtt     +tt    ++0   nnn
  TableService.StopTable          rrr    rtt    rtt     +tt    ++0   nnn
  TableService.DeleteTable        rrr    rtt    rtt     +tt    ++0   nnn
  TableService.ListTables         +++    +tt    +tt     +tt    +++   nnn
  TableService.WatchTables        +++    +tt    +tt     +tt    +++   nnn
  GatewayService.GetGateway       +++    ttt    ttt     ttt    +++   nnn
  GatewayService.WhoAmI           +++    +++    +++     +++    +++   +++
  GatewayService.WatchAudit       rrr    rtt    rtt     +tt    +++   nnn
  GatewayService.GetPolicy        rrr    ttt    ttt     ttt    +++   nnn
  GatewayService.SetPolicy        rrr    ttt    ttt     ttt    +++   nnn
`;

/** One cell of the table. */
export interface Cell {
  readonly method: string;
  readonly column: Column;
  readonly place: Place;
  readonly verdict: Verdict;
}

export type Verdict = '+' | 'r' | 't' | 's' | 'n' | '0';

/** The cells in the order of their rows, which is one in which each can be done. */
export const CELLS: readonly Cell[] = VERDICTS.trim()
  .split('\n')
  .slice(1)
  .flatMap((line) => {
    const [method = '', ...verdicts] = line.trim().split(/\s+/);
    return COLUMNS.flatMap((column, c) =>
      PLACES.map((place, p) => ({ method, column, place, verdict: (verdicts[c]?.[p] ?? '') as Verdict })),
    );
  });

/** What a request is made of. */
export interface Wish {
  readonly table: number;
  /** Within what `scoped` may change. */
  readonly owner: string;
  readonly group: string;
  readonly source: string;
}

/** A method as it is called, and what it does. */
export interface MethodCase {
  readonly requests: (wish: Wish) => readonly object[];
  /** It is written down also when it is done. */
  readonly isWrite?: boolean;
  readonly isEndless?: boolean;
  /** It is about a table that is made and deleted: what is there of it afterwards. */
  readonly leaves?: 'agent' | 'other agent' | 'stopped' | 'nothing';
  /** What it does with the entry of the wish: makes or removes it. */
  readonly effect?: 'adds' | 'removes';
  /** What must have happened to the owner before: its rule was put, or its file says it. */
  readonly before?: 'put' | 'put to be confirmed' | 'in the file';
  /** The audit has the keys that changed. */
  readonly tellsKeys?: boolean;
}

const READ = (wish: Wish) => [{ table: wish.table }];
const MANAGED = { requests: READ, isWrite: true };

/** By method. */
export const METHOD_CASES: Readonly<Record<string, MethodCase>> = {
  'RoutingService.GetCapabilities': { requests: READ },
  'RoutingService.Apply': {
    requests: (wish) => [{ table: wish.table, owner: wish.owner, changes: [{ put: resourceOf(wish) }] }],
    isWrite: true,
    effect: 'adds',
    tellsKeys: true,
  },
  'RoutingService.Replace': {
    requests: (wish) => [{ table: wish.table, owner: wish.owner, resources: [resourceOf(wish)] }],
    isWrite: true,
    effect: 'adds',
    tellsKeys: true,
  },
  'RoutingService.Modify': {
    requests: (wish) => [
      { table: wish.table, session: { owner: wish.owner } },
      { changes: { changes: [{ id: 1, put: resourceOf(wish) }] } },
    ],
    isWrite: true,
    effect: 'adds',
  },
  'RoutingService.Confirm': {
    requests: ({ table, owner }) => [{ table, owner }],
    isWrite: true,
    before: 'put to be confirmed',
  },
  'RoutingService.Rollback': {
    requests: ({ table, owner }) => [{ table, owner }],
    isWrite: true,
    before: 'put',
    effect: 'removes',
    tellsKeys: true,
  },
  'RoutingService.ListHistory': { requests: READ },
  'RoutingService.List': { requests: READ },
  'RoutingService.Watch': { requests: READ, isEndless: true },
  'RoutingService.ListMfc': { requests: READ },
  'RoutingService.ListInterfaces': { requests: READ },
  'RoutingService.ListMrules': { requests: READ },
  'RoutingService.Flush': { requests: READ, isWrite: true },
  'RoutingService.Reload': {
    requests: READ,
    isWrite: true,
    before: 'in the file',
    effect: 'adds',
    tellsKeys: true,
  },
  'RoutingService.Stop': { ...MANAGED, leaves: 'other agent' },
  'TableService.CreateTable': { ...MANAGED, leaves: 'agent' },
  'TableService.DeleteTable': { ...MANAGED, leaves: 'nothing' },
  'TableService.ListTables': { requests: READ },
  'TableService.WatchTables': { requests: READ, isEndless: true },
  'TableService.StartTable': { ...MANAGED, leaves: 'agent' },
  'TableService.StopTable': { ...MANAGED, leaves: 'stopped' },
  'TableService.RestartTable': { ...MANAGED, leaves: 'other agent' },
  'GatewayService.GetGateway': { requests: READ },
  'GatewayService.WhoAmI': { requests: READ },
  'GatewayService.WatchAudit': { requests: READ, isEndless: true },
  'GatewayService.GetPolicy': { requests: READ },
  // The test adds the policy that is in force.
  'GatewayService.SetPolicy': { requests: READ, isWrite: true },
};

/** What the `n`-th cell asks for; no other one has its group and its owner. */
export function wishOf({ method, column, place }: Cell, family: FamilyCase, n: number): Wish {
  const isMade = METHOD_CASES[method]?.leaves !== undefined;
  const tableAt = (where: Exclude<Place, 'zero'>) =>
    isMade ? MADE_TABLES[where] + COLUMNS.indexOf(column) : TABLES[where];
  return {
    table: place === 'zero' ? 0 : tableAt(place),
    owner: `studio-${n}`,
    group: family.family === 'ipv4' ? `239.1.${n >> 8}.${n & 0xff}` : `ff1e::1:${n.toString(16)}`,
    source: family.source(1),
  };
}

/** A rule of the wish. */
export function resourceOf({ source, group }: Wish): object {
  return { mroute: { key: { iif: 'in0', source, group }, oifs: [{ interface: 'out1' }] } };
}
