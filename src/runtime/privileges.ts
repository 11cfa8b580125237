// What the process may do, as the kernel says: each thread has its own capability sets (capabilities(7)).
import { readFileSync, readdirSync } from 'node:fs';

/** CAP_NET_ADMIN as a bit of a capability set. */
const NET_ADMIN = 1n << 12n;

const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

/** A thread whose capabilities are not exactly those of an agent. */
export interface PrivilegeFinding {
  readonly tid: number;
  /** Such as `CapEff`, or `NoNewPrivs`. */
  readonly field: string;
  readonly value: string;
}

/** The sets that let a thread do something now, or give it to a program that it starts. */
const SETS_IN_FORCE = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'] as const;

/** Looks at every thread of the process for any capability at all; the bounding set gives none by itself. */
export function findCapabilities(): PrivilegeFinding[] {
  return threadStatuses().flatMap(({ tid, status }) =>
    SETS_IN_FORCE.flatMap((field) => {
      const value = status.get(field) ?? '';
      return BigInt(`0x${value === '' ? '0' : value}`) === 0n ? [] : [{ tid, field, value }];
    }),
  );
}

/**
 * Looks at every thread of the process: each capability set must be {CAP_NET_ADMIN}, no more and no less, and
 * no_new_privs must be set.
 *
 * @returns what differs; nothing if all is well.
 */
export function findWrongPrivileges(): PrivilegeFinding[] {
  const findings: PrivilegeFinding[] = [];
  for (const { tid, status } of threadStatuses()) {
    for (const field of SETS) {
      const value = status.get(field) ?? '';
      if (BigInt(`0x${value === '' ? '0' : value}`) !== NET_ADMIN) findings.push({ tid, field, value });
    }
    const noNewPrivs = status.get('NoNewPrivs') ?? '';
    if (noNewPrivs !== '1') findings.push({ tid, field: 'NoNewPrivs', value: noNewPrivs });
  }
  return findings;
}

function threadStatuses(): { readonly tid: number; readonly status: ReadonlyMap<string, string> }[] {
  return readdirSync('/proc/self/task').map((tid) => ({
    tid: Number(tid),
    status: parseStatus(readFileSync(`/proc/self/task/${tid}/status`, 'latin1')),
  }));
}

function parseStatus(text: string): Map<string, string> {
  return new Map(
    text.split('\n').map((line) => {
      const [name = '', value = ''] = line.split(':\t');
      return [name, value.trim()];
    }),
  );
}
