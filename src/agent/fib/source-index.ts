// Rules of one group or group prefix, arranged so that the few of one source are found without asking all.
import { type Address, addressKey, isHost } from '../../model/address.js';
import type { VifOif, VifRule } from '../kernel/port.js';
import { barRules } from './boundaries.js';
import { matchesSource } from './upcall.js';

/** A value of a Map key, as `addressKey` makes it. */
export type SourceKey = number | string;

/** A source that some rule names, and the rules of just this source. */
export interface NamedSource<Rule extends VifRule> {
  readonly source: Address;
  readonly rules: readonly Rule[];
}

interface Named<Rule extends VifRule> extends NamedSource<Rule> {
  readonly rules: Rule[];
}

export class SourceIndex<Rule extends VifRule = VifRule> {
  readonly #broad: Rule[] = [];
  /** Made with the first one: most groups have none. */
  #named: Map<SourceKey, Named<Rule>> | undefined;
  readonly #rules: readonly Rule[];
  /** By the set of barred vifs. Made with the first one. */
  #barring: Map<number, SourceIndex<Rule>> | undefined;

  /** How many rules there are. */
  readonly size: number;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    this.size = rules.length;
    for (const rule of rules) {
      if (isHost(rule.source)) this.#name(rule.source.address).rules.push(rule);
      else this.#addBroad(rule);
    }
  }

  /** Rules of any source or of a source prefix. */
  get broad(): readonly Rule[] {
    return this.#broad;
  }

  /** The sources that a rule names, as its source or in an `except`. */
  get named(): ReadonlyMap<SourceKey, NamedSource<Rule>> {
    return this.#named ?? NONE;
  }

  /** All rules that match the source, on whatever iif. */
  matching(source: Address): Rule[] {
    const matching = this.#broad.filter((rule) => matchesSource(rule, source));
    for (const rule of this.#named?.get(addressKey(source))?.rules ?? []) {
      if (matchesSource(rule, source)) matching.push(rule);
    }
    return matching;
  }

  /**
   * The index of what boundaries leave of the rules; it is remembered, as many groups have the same boundaries.
   *
   * @param share as for `barRules`
   */
  barring(barredVifs: number, share: (oifs: readonly VifOif[]) => readonly VifOif[]): SourceIndex<Rule> {
    this.#barring ??= new Map();
    let index = this.#barring.get(barredVifs);
    if (index === undefined) {
      index = new SourceIndex(barRules(this.#rules, barredVifs, share));
      this.#barring.set(barredVifs, index);
    }
    return index;
  }

  #addBroad(rule: Rule): void {
    this.#broad.push(rule);
    for (const prefix of rule.except) if (isHost(prefix)) this.#name(prefix.address);
  }

  #name(source: Address): Named<Rule> {
    const key = addressKey(source);
    this.#named ??= new Map();
    let named = this.#named.get(key);
    if (named === undefined) {
      named = { source, rules: [] };
      this.#named.set(key, named);
    }
    return named;
  }
}

const NONE: ReadonlyMap<SourceKey, never> = new Map<SourceKey, never>();

/** The rules of several indexes that match the source. */
export function matchingOf<Rule extends VifRule>(indexes: readonly SourceIndex<Rule>[], source: Address): Rule[] {
  return indexes.flatMap((index) => index.matching(source));
}
