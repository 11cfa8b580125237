// Tells the kernel's news of our own deletions from those of others. The news of a (*,G) entry does not say which of the
// group's entries went, and while another stands the kernel cannot be asked either, so ours are counted.
import { type Address, addressKey } from '../../model/address.js';
import type { KernelFailure } from '../../model/resource.js';
import type { Operation } from '../kernel/port.js';

/** Deletions of (*,G) entries whose news is still to come. */
export class OwnDeletions {
  readonly #expected = new Map<string, number>();

  /** Takes note of what was done: each deletion that the kernel took has news. */
  add(operations: readonly Operation[], results: readonly (KernelFailure | undefined)[]): void {
    for (let index = 0; index < operations.length; index++) {
      const operation = operations[index];
      if (operation?.op !== 'delete-proxy' || results[index] !== undefined) continue;
      const key = groupKey(operation.group);
      this.#expected.set(key, (this.#expected.get(key) ?? 0) + 1);
    }
  }

  /** Whether news of the group is of a deletion of ours, which is thereby told. */
  take(group: Address): boolean {
    const key = groupKey(group);
    const count = this.#expected.get(key) ?? 0;
    if (count > 1) this.#expected.set(key, count - 1);
    else this.#expected.delete(key);
    return count > 0;
  }

  /** News was lost, and all is read again. */
  clear(): void {
    this.#expected.clear();
  }
}

function groupKey(group: Address): string {
  return `${group.family} ${addressKey(group)}`;
}
