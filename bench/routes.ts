// The routes of the benchmarks, in the words of each program. limits/*.c make the same.
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import type { Mroute } from '../src/api/generated/mcroute/v1/Mroute.js';

/** Source and group of route N, an (S,G) of IPv4; from 10.64.0.0 and 232.1.0.0 on. */
export function flow(n: number): { readonly source: string; readonly group: string } {
  return { source: dotted(0x0a40_0000 + n), group: dotted(0xe801_0000 + n) };
}

function dotted(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Route N as the API has it. */
export function mroute(n: number, more: Partial<Mroute> = {}): Mroute {
  return { key: { iif: 'in0', ...flow(n) }, oifs: [{ interface: 'out1' }], ...more };
}

/** Another content, by which no interface comes or goes. */
export function withThreshold(ttlThreshold: number): Partial<Mroute> {
  return { oifs: [{ interface: 'out1', ttlThreshold }] };
}

/** Changes that put the routes from `first` on. */
export function puts(first: number, count: number, more: Partial<Mroute> = {}): Change[] {
  return Array.from({ length: count }, (_, n) => ({ put: { mroute: mroute(first + n, more) } }));
}

/** The same routes from and to other interfaces. */
export function putsBetween(iif: string, oif: string, count: number): Change[] {
  return Array.from({ length: count }, (_, n) => {
    return { put: { mroute: { key: { iif, ...flow(n) }, oifs: [{ interface: oif }] } } };
  });
}

/** Lines of a configuration file. */
export function configurationLines(count: number): string {
  return lines(count, ({ source, group }) => `mroute from in0 source ${source} group ${group} to out1`);
}

/** Commands of `smcroutectl -b`. */
export function addCommands(count: number): string {
  return lines(count, ({ source, group }) => `add in0 ${source} ${group} out1`);
}

/** A file that `mcctl apply -f` takes. */
export function applyFile(count: number): string {
  const routes = Array.from({ length: count }, (_, n) => ({ iif: 'in0', ...flow(n), oifs: ['out1'] }));
  return JSON.stringify({ routes });
}

function lines(count: number, line: (flow: { readonly source: string; readonly group: string }) => string): string {
  return Array.from({ length: count }, (_, n) => `${line(flow(n))}\n`).join('');
}
