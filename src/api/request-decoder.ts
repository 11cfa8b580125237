// The requests that may be large, Apply and Replace, from their bytes straight to the model (resource-decoder.ts).
import type { Change } from '../model/change.js';
import type { Resource } from '../model/resource.js';
import { CHANGE_FIELDS, HEADER_FIELDS, RESULT_VIEWS } from './request-fields.js';
import { ResourceDecoder } from './resource-decoder.js';
import { UNUSUAL } from './wire-cursor.js';

/** A uint64: a bigint where a number cannot hold it. */
export type WireId = number | bigint;

/** What requests say beside their changes or resources. */
export interface RequestHeader {
  readonly table: number;
  readonly owner: string;
  readonly validateOnly: boolean;
  readonly strict: boolean;
  readonly expectedRevision: bigint | undefined;
}

/** A request of Apply. */
export interface DecodedApply extends RequestHeader {
  readonly changes: readonly Change[];
  /** Of the changes. */
  readonly ids: readonly WireId[];
  readonly isNotableOnly: boolean;
}

/** A message of a request of Replace. */
export interface DecodedReplace extends RequestHeader {
  readonly resources: readonly Resource[];
  readonly resourceCount: number | undefined;
}

type HeaderFields = { -readonly [Field in keyof RequestHeader]: RequestHeader[Field] };

/**
 * Decodes one request after the other. What it gives is what the generated decoder and parse.ts make of the same bytes; it
 * gives undefined where these are to be asked, since something is unusual or wrong.
 */
export class RequestDecoder {
  readonly #elementsMax: number;
  readonly #resources = new ResourceDecoder();
  #id: WireId = 0;

  /** @param elementsMax as element-limit.ts counts them; a request that has more is left to it. */
  constructor(elementsMax: number) {
    this.#elementsMax = elementsMax;
  }

  apply(bytes: Buffer): DecodedApply | undefined {
    const changes: Change[] = [];
    const ids: WireId[] = [];
    let view = 0;
    const header = this.#decode(bytes, (tag, end) => {
      if (tag === HEADER_FIELDS.own) {
        view = this.#resources.keys.cursor.varint(end);
        return view !== UNUSUAL;
      }
      const change = tag === HEADER_FIELDS.elements ? this.#change(end) : undefined;
      if (change === undefined) return false;
      changes.push(change);
      ids.push(this.#id);
      return true;
    });
    return header && { ...header, changes, ids, isNotableOnly: view === RESULT_VIEWS.RESULT_VIEW_NOTABLE };
  }

  replace(bytes: Buffer): DecodedReplace | undefined {
    const resources: Resource[] = [];
    let resourceCount: number | undefined;
    const header = this.#decode(bytes, (tag, end) => {
      if (tag === HEADER_FIELDS.own) {
        resourceCount = this.#resources.keys.cursor.varint(end);
        return resourceCount !== UNUSUAL;
      }
      const resource = tag === HEADER_FIELDS.elements ? this.#resources.resource(end) : undefined;
      if (resource === undefined) return false;
      resources.push(resource);
      return true;
    });
    return header && { ...header, resources, resourceCount };
  }

  /** Reads a request; `readOther` reads what is not of the header, and says whether it could. */
  #decode(bytes: Buffer, readOther: (tag: number, end: number) => boolean): HeaderFields | undefined {
    this.#resources.begin(bytes);
    try {
      return this.#header(readOther);
    } finally {
      // The bytes of a large request are not kept until the next one comes.
      this.#resources.begin(NO_BYTES);
    }
  }

  #header(readOther: (tag: number, end: number) => boolean): HeaderFields | undefined {
    const { cursor } = this.#resources.keys;
    const { bytes } = cursor;
    const end = bytes.length;
    const header: HeaderFields = {
      table: 0,
      owner: '',
      validateOnly: false,
      strict: false,
      expectedRevision: undefined,
    };
    while (cursor.at < end) {
      const tag = bytes[cursor.at++] ?? 0;
      switch (tag) {
        case HEADER_FIELDS.elements: {
          this.#resources.keys.elements++;
          const next = cursor.endOfBytes(end);
          if (next === UNUSUAL || !readOther(tag, next) || this.#resources.keys.elements > this.#elementsMax)
            return undefined;
          break;
        }
        case HEADER_FIELDS.table: {
          header.table = cursor.varint(end);
          if (header.table === UNUSUAL) return undefined;
          break;
        }
        case HEADER_FIELDS.owner: {
          const next = cursor.endOfBytes(end);
          if (next === UNUSUAL) return undefined;
          header.owner = bytes.toString('utf8', cursor.at, next);
          cursor.at = next;
          break;
        }
        case HEADER_FIELDS.validateOnly:
        case HEADER_FIELDS.strict: {
          const value = cursor.varint(end);
          if (value !== 0 && value !== 1) return undefined;
          if (tag === HEADER_FIELDS.strict) header.strict = value === 1;
          else header.validateOnly = value === 1;
          break;
        }
        case HEADER_FIELDS.expectedRevision: {
          const revision = cursor.varint64(end);
          if (revision === UNUSUAL) return undefined;
          header.expectedRevision = BigInt(revision);
          break;
        }
        case HEADER_FIELDS.own:
          if (!readOther(tag, end)) return undefined;
          break;
        default:
          if (!cursor.skip(tag, HEADER_FIELDS.known, end)) return undefined;
      }
    }
    return header;
  }

  /** Reads a change; its id is in #id. */
  #change(end: number): Change | undefined {
    const { cursor } = this.#resources.keys;
    let change: Change | undefined;
    this.#id = 0;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag === CHANGE_FIELDS.id) {
        this.#id = cursor.varint64(end);
        if (this.#id === UNUSUAL) return undefined;
        continue;
      }
      if (tag > CHANGE_FIELDS.deleteExisting || (tag & 7) !== 2) {
        if (!cursor.skip(tag, CHANGE_FIELDS.known, end)) return undefined;
        continue;
      }
      this.#resources.keys.elements++;
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
        const resource = this.#resources.resource(end);
        return resource && { action: 'put', resource };
      }
      case CHANGE_FIELDS.delete:
      case CHANGE_FIELDS.deleteExisting: {
        const key = this.#resources.keys.resource(end);
        return key && { action: 'delete', key, mustExist: tag === CHANGE_FIELDS.deleteExisting };
      }
      case CHANGE_FIELDS.addOifs:
      case CHANGE_FIELDS.removeOifs: {
        const mroute = this.#resources.mroute(end);
        return mroute && { action: tag === CHANGE_FIELDS.addOifs ? 'add-oifs' : 'remove-oifs', mroute };
      }
      default:
        return undefined;
    }
  }
}

const NO_BYTES = Buffer.alloc(0);
