// The mirror of one family's entries: what was acknowledged, learned or found, and which groups must be compared for it.
import { addressKey } from '../../model/address.js';
import type { LearnedFlow, MfcDumpEntry, Operation } from '../kernel/port.js';
import type { RuleBook } from './compile.js';
import { type ActualSource, VifReferences, vifsOfProxy, vifsOfSource } from './mirror.js';
import { NO_OIFS } from './oifs.js';
import type { Group } from './rule.js';
import type { SourceKey } from './source-index.js';
import type { ProxyEntry } from './star-g.js';
import type { VifKeeper } from './vif-keeper.js';

/** An entry that someone else made. Its iif is an ifindex, as dumps have it. */
export type ForeignMfc = Pick<MfcDumpEntry, 'source' | 'group' | 'iif'>;

export type EntryOperation = Extract<Operation, { op: 'put-mfc' | 'delete-mfc' | 'put-proxy' | 'delete-proxy' }>;

export class FamilyMirror {
  readonly #rules: RuleBook;
  readonly #vifs: VifKeeper;
  readonly #references = new VifReferences();

  constructor(rules: RuleBook, vifs: VifKeeper) {
    this.#rules = rules;
    this.#vifs = vifs;
  }

  /** Entries that the kernel should have. */
  get entryCount(): number {
    return this.#references.entryCount;
  }

  /** Whether some entry names the vif. */
  names(vif: number): boolean {
    return this.#references.has(vif);
  }

  /** The upcall thread made the entry. */
  learn({ source, group: address, iif, oifs }: LearnedFlow): Group {
    const group = this.#rules.group(address);
    const key = addressKey(source);
    const isUncertain = this.#namesAbsentVif(vifsOfSource({ iif, oifs }));
    this.#references.setSource(group.actual, key, { source, iif, oifs, isLearned: true, isUncertain });
    this.#rules.markSource(group, key);
    return group;
  }

  /** The entry is gone. */
  forget(group: Group, key: SourceKey): void {
    this.#references.setSource(group.actual, key, undefined);
    this.#rules.markSource(group, key);
  }

  /** One of the (*,G) entries is gone, and the kernel does not say which. */
  forgetProxyOrder(group: Group): void {
    group.actual.isProxyOrderKnown = false;
    this.#rules.markDirty(group);
  }

  /** The kernel refused to write over the entry: it is not what is wanted, whatever the mirror says. */
  doubt(group: Group, key: SourceKey): void {
    const entry = group.actual.sources.get(key);
    if (entry !== undefined) this.#references.setSource(group.actual, key, { ...entry, isUncertain: true });
  }

  /** An earlier agent has left the (S,G) entry. */
  adoptSource(group: Group, entry: ActualSource): void {
    this.#references.setSource(group.actual, addressKey(entry.source), entry);
  }

  /** An earlier agent has left the (*,G) entry. */
  adoptProxy(group: Group, { iif, oifs }: ProxyEntry, isUncertain: boolean): void {
    this.#references.putProxy(group.actual, { iif, oifs, isUncertain });
  }

  /**
   * Mirrors an entry of unknown content, so that it is written over or deleted.
   *
   * @param lost vif numbers that its iif may have if its interface is gone: a (*,G) entry is deleted by that
   */
  putForeign({ source, group: address, iif: ifindex }: ForeignMfc, lost: readonly number[] = [0]): void {
    const group = this.#rules.group(address);
    const known = ifindex === undefined ? undefined : this.#vifs.numberOfIfindex(ifindex);
    if (source === undefined) {
      for (const iif of known === undefined ? lost : [known]) {
        this.#references.putProxy(group.actual, { iif, oifs: NO_OIFS, isUncertain: true });
      }
      group.actual.isProxyOrderKnown = false;
    } else {
      const entry = { source, iif: known ?? 0, oifs: NO_OIFS, isLearned: false, isUncertain: true };
      this.#references.setSource(group.actual, addressKey(source), entry);
    }
    this.#rules.markDirty(group);
  }

  /** The kernel has done what the operation says. */
  write(group: Group, operation: EntryOperation): void {
    const { actual } = group;
    switch (operation.op) {
      case 'put-mfc': {
        const isUncertain = this.#namesAbsentVif(vifsOfSource(operation));
        const { source, iif, oifs, isLearned } = operation;
        this.#references.setSource(actual, addressKey(source), { source, iif, oifs, isLearned, isUncertain });
        return;
      }
      case 'delete-mfc':
        this.#references.setSource(actual, addressKey(operation.source), undefined);
        return;
      case 'put-proxy': {
        const { iif, oifs } = operation;
        const isUncertain = this.#namesAbsentVif(vifsOfProxy(operation));
        this.#references.putProxy(actual, { iif, oifs, isUncertain });
        return;
      }
      case 'delete-proxy':
        this.#references.deleteProxy(actual, operation.iif);
    }
  }

  #namesAbsentVif(vifs: number): boolean {
    return (vifs & ~this.#vifs.kernelVifs()) !== 0;
  }
}
