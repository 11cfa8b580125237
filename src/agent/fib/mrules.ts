// The mrules that lead the packets of our vif interfaces to our table, and those of others that lead them elsewhere.
import { FAMILIES, type Family } from '../../model/address.js';
import { MRULE_PROTOCOL, type Mrule } from '../../model/mrule.js';
import type { KernelFailure, Warning } from '../../model/resource.js';
import { kernelTable } from '../../model/table.js';
import type { Operation } from '../kernel/port.js';

export interface MruleOptions {
  readonly table: number;
  readonly families: readonly Family[];
  readonly priority: number;
}

/** An mrule, and how it stands to the table. */
export interface MruleView {
  readonly rule: Mrule;
  /** `missing`: wanted and not there. `conflict`: leads packets of our interfaces to another table. */
  readonly state: 'programmed' | 'missing' | 'conflict' | 'foreign';
}

/** `iif` for what arrives, `oif` for what local programs send. */
export function wantedMrules(family: Family, interfaceNames: Iterable<string>, options: MruleOptions): Mrule[] {
  const { table, priority } = options;
  const rules: Mrule[] = [];
  for (const name of interfaceNames) {
    for (const direction of ['iif', 'oif'] as const) {
      rules.push({ family, direction, interface: name, table, priority, protocol: MRULE_PROTOCOL });
    }
  }
  return rules;
}

/** The rules to delete and to add; other programs' rules are let alone. */
export function diffMrules(wanted: readonly Mrule[], actual: readonly Mrule[], options: MruleOptions): Operation[] {
  const own = actual.filter((rule) => isOwn(rule, options));
  const wantedKeys = new Set(wanted.map(formatMrule));
  const ownKeys = new Set(own.map(formatMrule));
  return [
    ...own.filter((rule) => !wantedKeys.has(formatMrule(rule))).map((rule) => ({ op: 'delete-mrule' as const, rule })),
    ...wanted.filter((rule) => !ownKeys.has(formatMrule(rule))).map((rule) => ({ op: 'add-mrule' as const, rule })),
  ];
}

/**
 * Rules that lead packets of the interface to another table, or would if ours were not asked first. Those with table 0
 * are the VRFs' (FR_ACT_TO_TBL with l3mdev), which lead to the table of the interface's own VRF.
 */
export function conflictingMrules(
  family: Family,
  interfaceName: string,
  actual: readonly Mrule[],
  options: MruleOptions,
): Mrule[] {
  return actual.filter(
    (rule) =>
      rule.family === family &&
      rule.table !== kernelTable(options.table, family) &&
      rule.table !== 0 &&
      (rule.interface === interfaceName || (rule.interface === '' && rule.priority <= options.priority)),
  );
}

/** What a person should know of the rule, and the cure. */
export function conflictWarning(rule: Mrule): Warning {
  const selector = rule.interface === '' ? '' : ` ${rule.direction} ${rule.interface}`;
  const cure = `ip ${rule.family === 'ipv6' ? '-6 ' : ''}mrule del pref ${rule.priority}${selector} table ${rule.table}`;
  return {
    code: 'IIF_CONFLICT',
    text: `an mrule with priority ${rule.priority} leads${selector} to table ${rule.table}; remove it with: ${cure}`,
  };
}

/** Follows the kernel's mrules and keeps ours there. */
export class MruleKeeper {
  readonly #options: MruleOptions;
  #actual: readonly Mrule[] = [];
  readonly #failures = new Map<string, { readonly interfaceName: string; readonly failure: KernelFailure }>();
  /** For which nothing was to be done, by the rules and refusals as they still are; as a text. */
  #settledFor: string | undefined;

  constructor(options: MruleOptions) {
    this.#options = options;
  }

  /** @returns names of the interfaces whose conflicts or refusals may have changed; the empty name is every interface */
  replace(actual: readonly Mrule[]): Set<string> {
    const before = new Map(this.#actual.map((rule) => [formatMrule(rule), rule]));
    const after = new Map(actual.map((rule) => [formatMrule(rule), rule]));
    this.#actual = actual;
    this.#settledFor = undefined;
    const names = this.retryFailed();
    for (const [key, rule] of before) if (!after.has(key)) names.add(rule.interface);
    for (const [key, rule] of after) if (!before.has(key)) names.add(rule.interface);
    return names;
  }

  /** Operations that lead the packets of these interfaces to our table, and no others. */
  plan(interfaceNames: InterfaceNames): Operation[] {
    const text = formatNames(interfaceNames);
    if (text === this.#settledFor) return [];
    const operations = diffMrules(this.#wanted(interfaceNames), this.#actual, this.#options).filter(
      (operation) => !('rule' in operation) || !this.#failures.has(formatMrule(operation.rule)),
    );
    this.#settledFor = operations.length === 0 ? text : undefined;
    return operations;
  }

  /** Operations that remove all of our rules. */
  removal(): Operation[] {
    return diffMrules([], this.#actual, this.#options);
  }

  /** Rules of ours that were there when last seen or acknowledged, and are not among the kernel's: others removed them. */
  removedByOthers(actual: readonly Mrule[]): Mrule[] {
    const keys = new Set(actual.map(formatMrule));
    return this.#actual.filter((rule) => isOwn(rule, this.#options) && !keys.has(formatMrule(rule)));
  }

  /** The kernel's rules, and those that are missing. */
  view(interfaceNames: InterfaceNames): MruleView[] {
    const wanted = this.#wanted(interfaceNames);
    const actualKeys = new Set(this.#actual.map(formatMrule));
    const conflicts = new Set(
      [...interfaceNames].flatMap(([family, names]) =>
        [...names].flatMap((name) => conflictingMrules(family, name, this.#actual, this.#options)),
      ),
    );
    const stateOf = (rule: Mrule) =>
      conflicts.has(rule) ? 'conflict' : isOwn(rule, this.#options) ? 'programmed' : 'foreign';
    return [
      ...this.#actual.map((rule) => ({ rule, state: stateOf(rule) }) as const),
      ...wanted
        .filter((rule) => !actualKeys.has(formatMrule(rule)))
        .map((rule) => ({ rule, state: 'missing' }) as const),
    ];
  }

  /** Takes the result of an operation; a rule that is there already, or gone already, is as it was wanted. */
  commit(op: 'add-mrule' | 'delete-mrule', rule: Mrule, failure: KernelFailure | undefined): void {
    const key = formatMrule(rule);
    this.#settledFor = undefined;
    if (failure !== undefined && failure.code !== (op === 'add-mrule' ? 'EEXIST' : 'ENOENT')) {
      this.#failures.set(key, { interfaceName: rule.interface, failure });
      return;
    }
    const others = this.#actual.filter((each) => formatMrule(each) !== key);
    this.#actual = op === 'add-mrule' ? [...others, rule] : others;
  }

  /** @returns names of the interfaces whose rules were refused */
  retryFailed(): Set<string> {
    const names = new Set(Array.from(this.#failures.values(), ({ interfaceName }) => interfaceName));
    this.#failures.clear();
    this.#settledFor = undefined;
    return names;
  }

  /** Why packets of the interface do not reach our table. */
  failureOf(family: Family, interfaceName: string): KernelFailure | undefined {
    for (const rule of wantedMrules(family, [interfaceName], this.#options)) {
      const failure = this.#failures.get(formatMrule(rule))?.failure;
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  conflictsOf(family: Family, interfaceName: string): Warning[] {
    return conflictingMrules(family, interfaceName, this.#actual, this.#options).map(conflictWarning);
  }

  #wanted(interfaceNames: InterfaceNames): Mrule[] {
    return FAMILIES.flatMap((family) => wantedMrules(family, interfaceNames.get(family) ?? [], this.#options));
  }
}

/** Names of the interfaces that take part, by family. */
export type InterfaceNames = ReadonlyMap<Family, readonly string[]>;

/** Text that is equal for equal names. */
function formatNames(interfaceNames: InterfaceNames): string {
  let text = '';
  for (const [family, names] of interfaceNames) text += `${family} ${names.join(' ')}\n`;
  return text;
}

function isOwn(rule: Mrule, { table, families }: MruleOptions): boolean {
  return rule.table === table && rule.protocol === MRULE_PROTOCOL && families.includes(rule.family);
}

/** Text that is equal for equal rules. */
function formatMrule({ family, direction, interface: name, table, priority, protocol }: Mrule): string {
  return `${family} ${direction} ${name} ${table} ${priority} ${protocol}`;
}
