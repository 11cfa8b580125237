// How many calls there are and have been.
import { status } from '@grpc/grpc-js';
import type { CallStatus } from './answer.js';

const REFUSALS: ReadonlySet<number> = new Set([
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.RESOURCE_EXHAUSTED,
]);

export class Counts {
  #open = 0;
  #total = 0;
  #refused = 0;

  /** A call begins, or ends with a status. */
  onCall(ended: CallStatus | undefined): void {
    if (ended === undefined) {
      this.#open++;
      this.#total++;
      return;
    }
    this.#open--;
    if (REFUSALS.has(ended.code)) this.#refused++;
  }

  view(): { readonly calls: number; readonly callsTotal: string; readonly refusedCalls: string } {
    return { calls: this.#open, callsTotal: String(this.#total), refusedCalls: String(this.#refused) };
  }
}
