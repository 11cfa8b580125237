// Which entries of the kernel rules have a part in, for their counters: the same that `viewMfc` tells entry by entry, rule by
// rule where that is cheaper.
import { type Family, addressKey, holds, isAny, isHost } from '../../model/address.js';
import type { FlowKey } from '../kernel/port.js';
import type { RuleBook } from './compile.js';
import type { FamilyFib } from './family-fib.js';
import type { ActualSource } from './mirror.js';
import { hasVif, uniteVifs } from './oifs.js';
import type { CompiledRule, Group, PrefixGroup, Rule } from './rule.js';
import { matchingOf } from './source-index.js';
import { matchesSource } from './upcall.js';
import type { WishId } from './wish.js';

/** An entry, and rules that have a part in it. */
export interface SharedFlow extends FlowKey {
  readonly ids: readonly WishId[];
}

export interface RuleFlows {
  /**
   * The entries that the rule has a part in; undefined if so many rules may share them that to ask for each would cost too
   * much, see `shared`.
   */
  of(family: Family, id: WishId): readonly FlowKey[] | undefined;
  /** The entries of all rules for which `of` gives nothing, each once, with the ids of just these rules. */
  shared(family: Family): Iterable<SharedFlow>;
}

/** Rules of any source of one group that are asked one by one; each looks at all entries of the group. */
const RULES_ASKED_MAX = 4;

/** Who can tell the flows of rules as they are now; to be asked before anything changes. */
export function ruleFlows(families: ReadonlyMap<Family, FamilyFib>, ruleOf: RuleFinder): RuleFlows {
  const all = new Map(Array.from(families, ([family, fib]) => [family, new FamilyFlows(fib, ruleOf)]));
  return {
    of: (family, id) => {
      const flows = all.get(family);
      return flows === undefined ? NO_FLOWS : flows.of(id);
    },
    shared: (family) => all.get(family)?.shared() ?? NO_FLOWS,
  };
}

const NO_FLOWS: readonly never[] = [];

/** The rule of an id. */
type RuleFinder = (id: WishId) => Rule | undefined;

class FamilyFlows {
  readonly #rules: RuleBook;
  readonly #ruleOf: RuleFinder;
  readonly #barredPrefixes: readonly PrefixGroup[];
  readonly #hasPrefixRules: boolean;

  constructor(fib: FamilyFib, ruleOf: RuleFinder) {
    this.#rules = fib.rules;
    this.#ruleOf = ruleOf;
    const prefixes = [...fib.rules.prefixGroups()];
    this.#barredPrefixes = prefixes.filter(({ barredVifs }) => barredVifs !== 0);
    this.#hasPrefixRules = prefixes.some(({ rules }) => rules.size > 0);
  }

  of(id: WishId): readonly FlowKey[] | undefined {
    const rule = this.#ruleOf(id);
    if (rule === undefined) return NO_FLOWS;
    const { holder } = rule;
    if (holder.kind === 'prefix' || isShared(rule)) return undefined;
    const { address: group, actual } = holder;
    // Resolving is the holder's affair.
    if (rule.compiled === undefined) this.#rules.compiledRules(holder);
    const compiled = this.#unbarred(holder, rule.compiled ?? []);
    const { source } = rule.mroute.key;
    if (isHost(source)) {
      const entry = actual.sources.get(addressKey(source.address));
      return entry !== undefined && hasPart(compiled, entry) ? [{ source: entry.source, group }] : NO_FLOWS;
    }
    const flows: FlowKey[] = [];
    for (const entry of actual.sources.values()) {
      if (hasPart(compiled, entry)) flows.push({ source: entry.source, group });
    }
    const isOfAny = isAny(source) && actual.proxies.some(({ iif }) => compiled.some((each) => each.iif === iif));
    // Of the (*,G) entries of a group the kernel tells the counters of one only (`ipmr_cache_find`).
    if (isOfAny) flows.push({ source: undefined, group });
    return flows;
  }

  *shared(): Iterable<SharedFlow> {
    const rules = this.#rules;
    const isOne = ({ id }: CompiledRule) => {
      const rule = this.#ruleOf(id);
      return rule !== undefined && isShared(rule);
    };
    for (const group of rules.groups()) {
      const { address, actual } = group;
      if (actual.sources.size === 0 && actual.proxies.length === 0) continue;
      if (!this.#hasPrefixRules && group.rules.size <= RULES_ASKED_MAX) continue;
      const indexes = rules.indexesOf(group);
      for (const { source, iif } of actual.sources.values()) {
        const ids = idsOf(matchingOf(indexes, source).filter((rule) => rule.iif === iif && isOne(rule)));
        if (ids.length > 0) yield { source, group: address, ids };
      }
      const ofAny = indexes.flatMap((index) => index.broad.filter(({ source }) => source.length === 0));
      const isServed = ({ iif }: CompiledRule) => actual.proxies.some((proxy) => proxy.iif === iif);
      const ids = idsOf(ofAny.filter((rule) => isServed(rule) && isOne(rule)));
      if (ids.length > 0) yield { source: undefined, group: address, ids };
    }
  }

  /** What boundaries leave of the rules of a group, as `RuleBook.indexesOf` has it. */
  #unbarred(group: Group, rules: readonly CompiledRule[]): readonly CompiledRule[] {
    let { barredVifs } = group;
    for (const prefix of this.#barredPrefixes) {
      if (holds(prefix.group, group.address)) barredVifs = uniteVifs(barredVifs, prefix.barredVifs);
    }
    return barredVifs === 0 ? rules : rules.filter(({ iif }) => !hasVif(barredVifs, iif));
  }
}

function isShared({ holder, mroute }: Rule): boolean {
  if (holder.kind === 'prefix') return true;
  return !isHost(mroute.key.source) && holder.rules.size > RULES_ASKED_MAX;
}

/** Whether one of the rules, all of the group, matches the entry. */
function hasPart(rules: readonly CompiledRule[], { source, iif }: ActualSource): boolean {
  return rules.some((rule) => rule.iif === iif && matchesSource(rule, source));
}

function idsOf(rules: readonly CompiledRule[]): WishId[] {
  return [...new Set(rules.map(({ id }) => id))];
}
