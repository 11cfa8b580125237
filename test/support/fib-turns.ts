// A fib and a fake kernel that it drives, as the engine does.
import { Fib, type FibOptions } from '../../src/agent/fib/fib.js';
import type { Operation } from '../../src/agent/kernel/port.js';
import { type Family, FAMILIES, parseAddress, parsePrefix, anyPrefix } from '../../src/model/address.js';
import type { Membership } from '../../src/model/membership.js';
import type { Mroute } from '../../src/model/mroute.js';
import { MRULE_PRIORITY_DEFAULT } from '../../src/model/mrule.js';
import type { FakeKernel } from './fake-kernel.js';

/** More turns than any change needs; a fib that never comes to rest is a bug. */
const TURNS_MAX = 8;

export const TEST_TABLE = 123;

export function openFib(differing: Partial<FibOptions> = {}): Fib {
  return new Fib({
    table: TEST_TABLE,
    families: FAMILIES,
    mrulePriority: MRULE_PRIORITY_DEFAULT,
    makesMrules: true,
    starG: 'kernel',
    ...differing,
  });
}

/** Takes turns until there is nothing to do. Returns all operations that were applied. */
export function settle(fib: Fib, kernel: FakeKernel): Operation[] {
  const all: Operation[] = [];
  fib.onUpcalls(kernel.drainUpcalls());
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    for (const family of kernel.families) kernel.setWrongVifUpcalls(family, fib.needsWrongVifUpcalls(family));
    for (const { family, groups } of fib.takeUpcallGroups()) kernel.setUpcallRules(family, groups);
    fib.onUpcalls(kernel.drainUpcalls());
    const operations = fib.plan();
    noteVifNames(fib, kernel);
    if (operations.length > 0) fib.commit(operations, kernel.apply(operations));
    noteVifNames(fib, kernel);
    all.push(...operations);
    if (!fib.hasWork) return all;
  }
  throw new Error(`the fib has not come to rest after ${TURNS_MAX} turns`);
}

function noteVifNames(fib: Fib, kernel: FakeKernel): void {
  for (const family of kernel.families) {
    const names = fib.takeVifNames(family);
    if (names !== undefined) kernel.noteVifNames(family, names);
  }
}

/** What `settle` does, with the links that the kernel has now. */
export function settleLinks(fib: Fib, kernel: FakeKernel): Operation[] {
  fib.setLinks(kernel.listLinks());
  return settle(fib, kernel);
}

/**
 * A rule from words: `(S, G) iif > oif oif@TTL`, where S may be `*`, and `> deny` denies.
 *
 * @param except prefixes that the rule does not match
 */
export function mroute(text: string, except: readonly string[] = []): Mroute {
  const match = /^\((\S+), (\S+)\) (\S+) >(.*)$/.exec(text);
  if (match === null) throw new Error(`'${text}' is not a rule`);
  const [, source = '', group = '', iif = '', rest = ''] = match;
  const words = rest.split(' ').filter((word) => word !== '');
  const groupPrefix = parsePrefix(group);
  const isDeny = words[0] === 'deny';
  return {
    key: {
      kind: 'mroute',
      iif,
      source: source === '*' ? anyPrefix(groupPrefix.address.family) : parsePrefix(source),
      group: groupPrefix,
    },
    oifs: (isDeny ? [] : words).map((word) => {
      const [name = '', ttl] = word.split('@');
      return { interface: name, ttlThreshold: ttl === undefined ? undefined : Number(ttl) };
    }),
    except: except.map(parsePrefix),
    deny: isDeny,
    label: '',
  };
}

/** A membership from words: `(S, G) interface`, where S may be `*`. */
export function membership(text: string): Membership {
  const { key } = mroute(`${text} >`);
  return { key: { kind: 'membership', interface: key.iif, group: key.group, source: key.source }, label: '' };
}

/** The operations without their addresses: `put-proxy 0`, for tests of what is done and in which order. */
export function describeOperations(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    switch (operation.op) {
      case 'add-vif':
      case 'delete-vif':
        return `${operation.op} ${operation.vif}`;
      case 'put-mfc':
      case 'put-proxy':
        return `${operation.op} ${operation.iif}>${operation.oifs.map(({ vif }) => vif).join(',')}`;
      case 'delete-proxy':
        return `${operation.op} ${operation.iif}`;
      case 'add-mrule':
      case 'delete-mrule':
        return `${operation.op} ${operation.rule.direction} ${operation.rule.interface}`;
      case 'join':
      case 'leave':
        return `${operation.op} ${operation.ifindex}`;
      case 'delete-mfc':
        return operation.op;
    }
  });
}

/** Addresses of a family for tests of both: the n-th source, the n-th group. */
export function testSource(family: Family, n: number) {
  return parseAddress(family === 'ipv4' ? `10.0.0.${n}` : `2001:db8::${n}`);
}

export function testGroup(family: Family, n: number) {
  return parseAddress(family === 'ipv4' ? `239.1.0.${n}` : `ff1e::${n}`);
}
