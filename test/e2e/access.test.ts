// Two hosts and those who call them: every method by everyone, in tables that are theirs and others, as each host's own
// policy says; what the kernel forwards afterwards, and what the audits have.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { unary } from '../../src/api/client.js';
import { AccessCaller, METHODS, type Outcome } from '../support/access-caller.js';
import {
  CELLS,
  COLUMNS,
  type Cell,
  type Column,
  METHOD_CASES,
  type MethodCase,
  TABLES,
  type Wish,
  policyOf,
  resourceOf,
  wishOf,
} from '../support/access-cells.js';
import { type AccessHost, startAccessHost } from '../support/access-host.js';
import { deadline } from '../support/calls.js';
import { type Issued, issue } from '../support/certificates.js';
import type { AuditLine } from '../support/gateway.js';
import { eventually } from '../support/wait.js';
import { type FamilyCase, IPV4, IPV6 } from './families.js';

/** A host, and how it sees who calls. */
interface Place {
  readonly host: AccessHost;
  readonly family: FamilyCase;
  readonly policy: string;
  readonly callers: ReadonlyMap<Column, AccessCaller>;
  readonly identityOf: (column: Column) => string;
}

const places: Place[] = [];

before(async () => {
  const ca = await issue({ subject: 'CN=Lab CA', isCa: true });
  const uris = COLUMNS.map((_, index) => `spiffe://lab/controller-${index}`);
  const certificates = await Promise.all(uris.map((uri) => clientOf(ca, uri)));
  for (const [number, family] of [IPV4, IPV6].entries()) {
    // Who is a viewer of the one host is someone else on the other.
    const indexOf = (column: Column) => (COLUMNS.indexOf(column) + number) % COLUMNS.length;
    const identityOf = (column: Column) => uris[indexOf(column)] ?? '';
    const policy = policyOf(identityOf);
    const host = await startAccessHost({
      ...{ name: `host${number + 1}`, number: number + 1, family: family.family, tables: Object.values(TABLES) },
      ...{ policy, ca },
    });
    const callers = new Map(
      COLUMNS.map((column) => [column, new AccessCaller(host.target, ca, certificates[indexOf(column)])]),
    );
    places.push({ host, family, policy, callers, identityOf });
  }
});

after(() => {
  for (const { host, callers } of places) {
    for (const caller of callers.values()) caller[Symbol.dispose]();
    host[Symbol.dispose]();
  }
});

function clientOf(ca: Issued, uri: string): Promise<Issued> {
  return issue({ subject: 'CN=controller', issuer: ca, usage: 'client', names: [{ kind: 'uri', value: uri }] });
}

describe('the table of rights', () => {
  it('has a cell for every method, identity and table', () => {
    const methods = [...METHODS.keys()].sort();
    assert.deepEqual([...new Set(CELLS.map(({ method }) => method))].sort(), methods);
    assert.deepEqual(Object.keys(METHOD_CASES).sort(), methods);
    for (const { method, column, place, verdict } of CELLS) {
      assert.match(verdict, /^[+rtsn0]$/, `${method} ${column} ${place}`);
    }
  });

  for (const index of [0, 1]) {
    it(`holds on host ${index + 1}, in the kernel and in the audit`, async () => {
      const run = new Run(places[index] ?? assert.fail('there is no such host'));
      // Agents come and go on the first host only, for that takes long; nobody else may have them do so on either.
      const cells = CELLS.filter(
        ({ method, verdict }) => index === 0 || verdict !== '+' || METHOD_CASES[method]?.leaves === undefined,
      );
      for (const cell of cells) await run.check(cell);
      await run.checkAudit();
    });
  }
});

/** A line that the audit must have. */
type ExpectedLine = Pick<AuditLine, 'identity' | 'method' | 'table' | 'outcome'>;

/** Longest time in which an agent starts, on a loaded machine. */
const AGENT_LIMIT_MS = 30_000;

/** All cells on one host. */
class Run {
  readonly #place: Place;
  readonly #expected: ExpectedLine[] = [];
  readonly #inFile = new Map<number, string[]>();
  #cells = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  async check(cell: Cell): Promise<void> {
    const { host, family } = this.#place;
    const { method, column, place, verdict } = cell;
    const wish = wishOf(cell, family, ++this.#cells);
    const details = METHOD_CASES[method] ?? assert.fail(method);
    await this.#prepare(details.before, wish);
    const before = await this.#stateOf(details, wish);
    const lines = host.audit.length;
    const { error } = await this.#call(cell, wish);
    try {
      if (verdict === '+') {
        assert.equal(error, undefined);
        await this.#checkEffect(cell, wish, before);
        if (details.effect !== undefined) await this.#checkChange(cell, wish, lines);
      } else {
        this.#checkError(cell, wish, error);
        assert.deepEqual(await this.#stateOf(details, wish), before);
      }
    } catch (cause) {
      const { message = 'no error' } = error ?? {};
      throw new Error(`${method} by ${column} with table ${place}, which got: ${message}`, { cause });
    }
  }

  /** The audit has these lines, and no others; of refusals some stand for those before them. */
  async checkAudit(): Promise<void> {
    const { host } = this.#place;
    // What was not written down for itself is counted by the next line.
    const refused: Cell = { method: 'RoutingService.Apply', column: 'nobody', place: 'in', verdict: 'n' };
    await eventually(async () => {
      const { length } = host.audit;
      await this.#call(refused, wishOf(refused, this.#place.family, ++this.#cells));
      return host.audit.slice(length).some(isRefusal) || undefined;
    }, 'a line for the last refusal');
    const [refusals, done] = [host.audit.filter(isRefusal), host.audit.filter((line) => !isRefusal(line))];
    const { target } = host;
    const caller = target.startsWith('[') ? /^\[?2001:db8:\d+::2\]?:\d+$/ : /^192\.0\.\d+\.2:\d+$/;
    for (const { address } of host.audit) assert.match(address, caller);
    assert.deepEqual(texts(done), texts(this.#expected.filter((line) => !isRefusal(line))));
    const expected = this.#expected.filter(isRefusal);
    const known = new Set(texts(expected));
    for (const line of texts(refusals)) assert.ok(known.has(line), line);
    assert.equal(
      refusals.reduce((sum, { others = 0 }) => sum + 1 + others, 0),
      expected.length,
    );
  }

  async #call(cell: Cell, wish: Wish): Promise<Outcome> {
    const { callers, policy, identityOf } = this.#place;
    const { method, column, verdict } = cell;
    const { requests, isEndless = false, isWrite = false } = METHOD_CASES[method] ?? assert.fail(method);
    const caller = callers.get(column) ?? assert.fail(column);
    const isSettingPolicy = method === 'GatewayService.SetPolicy';
    const messages = requests(wish).map((message) => (isSettingPolicy ? { ...message, policy } : message));
    const call = caller.call(method, messages, { isEndless });
    if (method === 'GatewayService.WatchAudit' && verdict === '+') await this.#provoke(cell, wish, call);
    const outcome = await call;
    const isInvalid = verdict === '0';
    if (isWrite || (verdict !== '+' && !isInvalid)) {
      const ended = verdict === '+' ? 'OK' : isInvalid ? 'INVALID_ARGUMENT' : 'PERMISSION_DENIED';
      this.#expected.push({ identity: identityOf(column), method, table: wish.table, outcome: ended });
    }
    return outcome;
  }

  /** Something happens that the audit tells, until the watcher has heard of it. */
  async #provoke({ column }: Cell, wish: Wish, watcher: Promise<unknown>): Promise<void> {
    let hasHeard = false;
    void watcher.then(() => (hasHeard = true));
    await eventually(async () => {
      const cell: Cell = { method: 'RoutingService.Flush', column, place: 'in', verdict: '+' };
      const { error } = await this.#call(cell, { ...wish, table: wish.table || TABLES.in });
      assert.equal(error, undefined);
      return hasHeard || undefined;
    }, 'a line of the audit');
  }

  async #prepare(what: MethodCase['before'], wish: Wish): Promise<void> {
    const { table, owner } = wish;
    const { supervisor } = this.#place.host;
    if (what === undefined || table === 0) return;
    if (what === 'in the file') {
      this.#place.host.write(`${table}.conf`, [...this.#linesOf(table), fileLine(wish)].join('\n'));
      return;
    }
    const confirmWithin = what === 'put' ? null : { seconds: 3_600 };
    await unary((callback) =>
      supervisor
        .client(table)
        .Apply({ table, owner, changes: [{ put: resourceOf(wish) }], confirmWithin }, deadline(), callback),
    );
  }

  /** What the kernel forwards of the table, or what the supervisor says of one that is made and deleted. */
  async #stateOf({ isWrite = false, leaves }: MethodCase, { table }: Wish): Promise<readonly string[]> {
    const { host } = this.#place;
    if (!isWrite || table === 0) return [];
    if (leaves === undefined) return host.forwards(table);
    const entries = await host.supervisor.list();
    return entries.filter((entry) => entry.table === table).map(({ pid, state }) => `${state} ${pid}`);
  }

  /** What was allowed has done what it is for, and nothing else. */
  async #checkEffect({ method }: Cell, wish: Wish, before: readonly string[]): Promise<void> {
    const details = METHOD_CASES[method] ?? assert.fail(method);
    const { effect, leaves, before: prepared } = details;
    if (leaves === 'other agent') {
      const isOther = async () => {
        const [state = ''] = await this.#stateOf(details, wish);
        return (state.startsWith('STATE_READY') && state !== before[0]) || undefined;
      };
      await eventually(isOther, 'another agent', AGENT_LIMIT_MS);
      return;
    }
    const after = await this.#stateOf(details, wish);
    if (leaves !== undefined) {
      const states = { agent: [/^STATE_READY [1-9]/], stopped: [/^STATE_STOPPED 0$/], nothing: [] };
      assert.equal(after.length, states[leaves].length);
      for (const [index, pattern] of states[leaves].entries()) assert.match(after[index] ?? '', pattern);
      return;
    }
    const entry = `(${wish.source}, ${wish.group}) in0 -> out1`;
    if (effect === 'adds') assert.deepEqual(after, [...before, entry].sort());
    else assert.deepEqual(after, effect === 'removes' ? before.filter((one) => one !== entry) : before);
    if (prepared === 'in the file') this.#linesOf(wish.table).push(fileLine(wish));
  }

  #linesOf(table: number): string[] {
    const lines = this.#inFile.get(table) ?? [];
    this.#inFile.set(table, lines);
    return lines;
  }

  /** The exact words of a refusal. */
  #checkError({ method, column, verdict }: Cell, { table }: Wish, error: Outcome['error']): void {
    if (error === undefined) assert.fail('it was done');
    if (verdict === '0') {
      assert.equal(error.reason, 'INVALID_FIELD');
      assert.deepEqual(
        error.violations.map(({ field }) => field),
        ['table'],
      );
      return;
    }
    const identity = this.#place.identityOf(column);
    const [service = '', name = ''] = method.split('.');
    const isOfHost = service === 'GatewayService' && name !== 'WatchAudit';
    const where = table === 0 || isOfHost ? 'all tables' : `table ${table}`;
    const role = column === 'scoped' ? 'operator' : column;
    const needed = ['Apply', 'Replace', 'Modify', 'Confirm', 'Rollback', 'Flush'].includes(name) ? 'operator' : 'admin';
    const words = {
      '+': '',
      r: `${identity} is ${role} of ${where}, and ${name} needs the role ${needed}`,
      t: `no rule of the policy gives ${identity} a right on ${where}`,
      s: `the rules for ${identity} on ${where} are for some groups, interfaces or owners, and ${name} needs one without such a restriction`,
      n: `no rule of the policy is for ${identity}`,
    };
    assert.equal(error.message, words[verdict]);
    assert.equal(error.reason, 'PERMISSION_DENIED');
    assert.deepEqual(error.metadata, { identity });
  }

  /** The line of the audit tells what has changed. */
  async #checkChange({ method, column }: Cell, wish: Wish, from: number): Promise<void> {
    const { effect, tellsKeys = false } = METHOD_CASES[method] ?? assert.fail(method);
    const { host, identityOf } = this.#place;
    const line = await host.audited((one) => one.method === method && one.identity === identityOf(column), from);
    const { added, changed, removed, first } = line;
    assert.deepEqual([added, changed, removed], effect === 'adds' ? [1, 0, 0] : [0, 0, 1]);
    const key = `${effect === 'adds' ? '+' : '-'}mroute (${wish.source}, ${wish.group}) in0`;
    if (tellsKeys) assert.deepEqual(first, [key]);
  }
}

function isRefusal({ outcome }: ExpectedLine): boolean {
  return outcome === 'PERMISSION_DENIED';
}

function texts(lines: readonly ExpectedLine[]): string[] {
  return lines.map(({ identity, method, table, outcome }) => [identity, method, table, outcome].join(' ')).sort();
}

/** As smcroute.conf(5) has it. */
function fileLine({ source, group }: Wish): string {
  return `mroute from in0 source ${source} group ${group} to out1\n`;
}
