// The routes that controllers of tests put, by their numbers.
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';

/** Changes of one batch. */
export const BATCH = 100;

/** The group of route N. */
export function numberedGroup(n: number): string {
  return `239.${n >> 8}.${n & 255}.1`;
}

/** The operation N, which puts route N. */
export function numberedPut(n: number): Change {
  return {
    id: n,
    put: { mroute: { key: { iif: 'in0', source: '', group: numberedGroup(n) }, oifs: [{ interface: 'out1' }] } },
  };
}
