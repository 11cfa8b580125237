// The forwarding cache as the kernel itself tells it.
import type { Namespace } from '../support/namespaces.js';
import type { FamilyCase } from './families.js';

/** Of `ip -json mroute`; `multipath` is left out where nothing leaves. */
interface MrouteJson {
  readonly src: string;
  readonly dst: string;
  readonly iif?: string;
  readonly state: string;
  readonly multipath?: readonly { readonly oif: string }[];
}

/** The entries of a table that are resolved, as `(S, G) iif -> oif oif`, sorted. */
export function kernelEntries(namespace: Namespace, family: FamilyCase, table: number): string[] {
  const entries = namespace.ipJson(`${family.ipOption} mroute show table ${table}`) as readonly MrouteJson[];
  return entries
    .filter(({ state }) => state === 'resolved')
    .map(({ src, dst, iif = '', multipath = [] }) =>
      [`(${src}, ${dst})`, iif, '->', ...multipath.map(({ oif }) => oif).sort()].join(' '),
    )
    .sort();
}
