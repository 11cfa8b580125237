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

/**
 * Looks at every thread of the process: each capability set must be {CAP_NET_ADMIN}, no more and no less, and
 * no_new_privs must be set.
 *
 * @returns what differs; nothing if all is well.
 */
export function findWrongPrivileges(): PrivilegeFinding[] {
  const findings: PrivilegeFinding[] = [];
  for (const tid of readdirSync('/proc/self/task')) {
    const status = parseStatus(readFileSync(`/proc/self/task/${tid}/status`, 'latin1'));
    for (const field of SETS) {
      const value = status.get(field) ?? '';
      if (BigInt(`0x${value === '' ? '0' : value}`) !== NET_ADMIN) findings.push({ tid: Number(tid), field, value });
    }
    const noNewPrivs = status.get('NoNewPrivs') ?? '';
    if (noNewPrivs !== '1') findings.push({ tid: Number(tid), field: 'NoNewPrivs', value: noNewPrivs });
  }
  return findings;
}

function parseStatus(text: string): Map<string, string> {
  return new Map(
    text.split('\n').map((line) => {
      const [name = '', value = ''] = line.split(':\t');
      return [name, value.trim()];
    }),
  );
}
