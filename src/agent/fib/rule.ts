// A rule of an owner, and the rules of one group or group prefix; here names become vifs.
import type { Address, Prefix } from '../../model/address.js';
import type { Mroute } from '../../model/mroute.js';
import type { KernelFailure } from '../../model/resource.js';
import type { UpcallGroup, VifOif, VifRule } from '../kernel/port.js';
import type { ActualGroup } from './mirror.js';
import type { Ports, Way } from './ports.js';
import type { SmallSet } from '../../model/small-map.js';
import type { SourceIndex, SourceKey } from './source-index.js';
import type { GroupProgram } from './star-g.js';
import type { Wish, WishId } from './wish.js';

/** A rule with its names resolved that knows whose it is. */
export interface CompiledRule extends VifRule {
  readonly id: WishId;
}

export interface Rule {
  readonly wish: Wish;
  readonly mroute: Mroute;
  readonly ports: Ports;
  readonly holder: Holder;
  /** One for each iif that is there; undefined: must be resolved again. */
  compiled: readonly CompiledRule[] | undefined;
  /** Every operation that it asked for was answered by the kernel. */
  isSettled: boolean;
}

/** What holds the rules of exactly one group prefix. */
export type Holder = Group | PrefixGroup;

interface RuleSet {
  readonly group: Prefix;
  readonly rules: SmallSet<Rule>;
  /** Bit set of the vifs with a boundary of just this group prefix. */
  barredVifs: number;
  /** What the upcall thread was given last. */
  given: UpcallGroup | undefined;
  /** Rules that have changed since the kernel last answered. */
  unsettled: Rule[];
}

/** The rules of a group prefix that is not a single group; there are none where only boundaries have it. */
export interface PrefixGroup extends RuleSet {
  readonly kind: 'prefix';
  /** Of its rules; undefined: must be made again. */
  index: SourceIndex<CompiledRule> | undefined;
}

/** A single group that has rules or boundaries of its own, or entries in the kernel. */
export interface Group extends RuleSet {
  readonly kind: 'group';
  readonly address: Address;
  readonly actual: ActualGroup;
  program: GroupProgram;
  /** The program no longer follows from the rules. */
  isStale: boolean;
  /** All entries must be compared with the program. */
  needsDiff: boolean;
  /** Sources whose entries must be compared although the program stands; undefined: none. */
  toCheck: Set<SourceKey> | undefined;
  /** Learned entries that are to go; undefined: none. */
  expired: Set<SourceKey> | undefined;
  /** What the kernel refused, by what it was about. */
  failures: readonly GroupFailure[];
}

/** A refusal, and the entry it was about: an (S,G) entry of any iif, or the (*,G) entry of an iif. */
export interface GroupFailure {
  readonly source: Address | undefined;
  readonly iif: number | undefined;
  readonly failure: KernelFailure;
}

/** The rule for each iif that it stands for. */
export function resolveRule(
  { wish: { id }, mroute: { key, except, deny } }: Rule,
  ways: readonly Way[],
): CompiledRule[] {
  const { source, group } = key;
  return ways.map(({ iif, oifs }) => ({ id, iif, source, except, group, deny, oifs }));
}

/** Lists of oifs that are made of others; equal lists are one. */
export class OifLists {
  readonly #lists = new Map<string, readonly VifOif[]>();

  /** The one list that equals this one. */
  share(oifs: readonly VifOif[]): readonly VifOif[] {
    let text = '';
    for (const { vif, ttlThreshold } of oifs) text += `${vif}@${ttlThreshold} `;
    const known = this.#lists.get(text);
    if (known !== undefined) return known;
    if (this.#lists.size >= OIF_LISTS_MAX) this.#lists.clear();
    this.#lists.set(text, oifs);
    return oifs;
  }
}

/** Lists to remember; beyond it they are only not shared with those from before. */
const OIF_LISTS_MAX = 1024;
