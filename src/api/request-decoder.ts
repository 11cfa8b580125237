// The requests that may be large, Apply and Replace, from their bytes straight to the model (resource-decoder.ts).
import type { Change } from '../model/change.js';
import type { Resource } from '../model/resource.js';
import type { Duration__Output } from './generated/google/protobuf/Duration.js';
import { ChangeDecoder, type WireId } from './change-decoder.js';
import { HEADER_FIELDS, RESULT_VIEWS } from './request-fields.js';
import { UNUSUAL } from './wire-cursor.js';

export type { WireId } from './change-decoder.js';

/** What requests say beside their changes or resources. */
export interface RequestHeader {
  readonly table: number;
  readonly owner: string;
  readonly validateOnly: boolean;
  readonly strict: boolean;
  readonly expectedRevision: bigint | undefined;
  /** `confirm_within` as it came; undefined if it did not. */
  readonly confirmWithin: Duration__Output | undefined;
  readonly comment: string;
  readonly requestId: string;
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

/** That of a request which says nothing. */
export const EMPTY_HEADER: RequestHeader = {
  table: 0,
  owner: '',
  validateOnly: false,
  strict: false,
  expectedRevision: undefined,
  confirmWithin: undefined,
  comment: '',
  requestId: '',
};

type HeaderFields = { -readonly [Field in keyof RequestHeader]: RequestHeader[Field] };

/**
 * Decodes one request after the other. What it gives is what the generated decoder and parse.ts make of the same bytes; it
 * gives undefined where these are to be asked, since something is unusual or wrong.
 */
export class RequestDecoder {
  readonly #elementsMax: number;
  readonly #changes = new ChangeDecoder();

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
        view = this.#changes.resources.keys.cursor.varint(end);
        return view !== UNUSUAL;
      }
      const change = tag === HEADER_FIELDS.elements ? this.#changes.change(end) : undefined;
      if (change === undefined) return false;
      changes.push(change);
      ids.push(this.#changes.id);
      return true;
    });
    return header && { ...header, changes, ids, isNotableOnly: view === RESULT_VIEWS.RESULT_VIEW_NOTABLE };
  }

  replace(bytes: Buffer): DecodedReplace | undefined {
    const resources: Resource[] = [];
    let resourceCount: number | undefined;
    const header = this.#decode(bytes, (tag, end) => {
      if (tag === HEADER_FIELDS.own) {
        resourceCount = this.#changes.resources.keys.cursor.varint(end);
        return resourceCount !== UNUSUAL;
      }
      const resource = tag === HEADER_FIELDS.elements ? this.#changes.resources.resource(end) : undefined;
      if (resource === undefined) return false;
      resources.push(resource);
      return true;
    });
    return header && { ...header, resources, resourceCount };
  }

  /** Reads a request; `readOther` reads what is not of the header, and says whether it could. */
  #decode(bytes: Buffer, readOther: (tag: number, end: number) => boolean): HeaderFields | undefined {
    this.#changes.resources.begin(bytes);
    try {
      return this.#header(readOther);
    } finally {
      // The bytes of a large request are not kept until the next one comes.
      this.#changes.resources.begin(NO_BYTES);
    }
  }

  #header(readOther: (tag: number, end: number) => boolean): HeaderFields | undefined {
    const { cursor } = this.#changes.resources.keys;
    const { bytes } = cursor;
    const end = bytes.length;
    const header: HeaderFields = { ...EMPTY_HEADER };
    while (cursor.at < end) {
      const tag = bytes[cursor.at++] ?? 0;
      switch (tag) {
        case HEADER_FIELDS.elements: {
          this.#changes.resources.keys.elements++;
          const next = cursor.endOfBytes(end);
          if (next === UNUSUAL || !readOther(tag, next) || this.#changes.resources.keys.elements > this.#elementsMax)
            return undefined;
          break;
        }
        case HEADER_FIELDS.table: {
          header.table = cursor.varint(end);
          if (header.table === UNUSUAL) return undefined;
          break;
        }
        case HEADER_FIELDS.owner:
        case HEADER_FIELDS.comment:
        case HEADER_FIELDS.requestId: {
          const next = cursor.endOfBytes(end);
          const field = HEADER_TEXTS.get(tag);
          if (next === UNUSUAL || field === undefined) return undefined;
          header[field] = bytes.toString('utf8', cursor.at, next);
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
}

const HEADER_TEXTS: ReadonlyMap<number, 'owner' | 'comment' | 'requestId'> = new Map([
  [HEADER_FIELDS.owner, 'owner'],
  [HEADER_FIELDS.comment, 'comment'],
  [HEADER_FIELDS.requestId, 'requestId'],
]);

const NO_BYTES = Buffer.alloc(0);
