// Changes from the bytes of requests, Apply and Modify; see resource-decoder.ts.
import type { Change } from '../model/change.js';
import { CHANGE_FIELDS } from './request-fields.js';
import { ResourceDecoder } from './resource-decoder.js';
import { UNUSUAL } from './wire-cursor.js';

/** A uint64: a bigint where a number cannot hold it. */
export type WireId = number | bigint;

/** Reads changes where its cursor is, up to `end`, or gives undefined and leaves the cursor anywhere. */
export class ChangeDecoder {
  readonly resources = new ResourceDecoder();
  /** Of the change that was read last. */
  id: WireId = 0;

  /** Reads a change; its id is in `id`. */
  change(end: number): Change | undefined {
    const { cursor } = this.resources.keys;
    let change: Change | undefined;
    this.id = 0;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag === CHANGE_FIELDS.id) {
        this.id = cursor.varint64(end);
        if (this.id === UNUSUAL) return undefined;
        continue;
      }
      if (tag > CHANGE_FIELDS.deleteExisting || (tag & 7) !== 2) {
        if (!cursor.skip(tag, CHANGE_FIELDS.known, end)) return undefined;
        continue;
      }
      this.resources.keys.elements++;
      const next = cursor.endOfBytes(end);
      if (next === UNUSUAL || change !== undefined) return undefined;
      change = this.#action(tag, next);
      if (change === undefined) return undefined;
    }
    return change;
  }

  #action(tag: number, end: number): Change | undefined {
    switch (tag) {
      case CHANGE_FIELDS.put: {
        const resource = this.resources.resource(end);
        return resource && { action: 'put', resource };
      }
      case CHANGE_FIELDS.delete:
      case CHANGE_FIELDS.deleteExisting: {
        const key = this.resources.keys.resource(end);
        return key && { action: 'delete', key, mustExist: tag === CHANGE_FIELDS.deleteExisting };
      }
      case CHANGE_FIELDS.addOifs:
      case CHANGE_FIELDS.removeOifs: {
        const mroute = this.resources.mroute(end);
        return mroute && { action: tag === CHANGE_FIELDS.addOifs ? 'add-oifs' : 'remove-oifs', mroute };
      }
      default:
        return undefined;
    }
  }
}
