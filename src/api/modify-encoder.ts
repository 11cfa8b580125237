// Responses of Modify from the model straight to their bytes; see entry-encoder.ts.
import type { Effect } from '../model/change.js';
import { type AppliedResult, writeRefusal, writeResult } from './apply-encoder.js';
import type { WireId } from './change-decoder.js';
import { errorMessages } from './load.js';
import { type ApiError, toStatusMessage } from './status.js';
import { WireWriter, lengthTag, varintTag, wordsOf } from './wire-writer.js';

/** Where a session stands in its role. */
export interface SessionStanding {
  readonly isPrimary: boolean;
  /** Highest election id of the role. */
  readonly highest: bigint;
  readonly hasPrimary: boolean;
}

/** What a response has beside its results. */
export interface ModifyHeader {
  readonly revision: bigint;
  readonly session?: SessionStanding;
  readonly batch?: number;
  readonly effects?: Readonly<Record<Effect, number>>;
  readonly refused?: number;
  readonly error?: ApiError;
}

/** Writes one `ModifyResponse` after the other. */
export class ModifyWriter {
  readonly #writer = new WireWriter();
  /** The error that was encoded last: those of a batch are often the same. */
  #error: ApiError | undefined;
  #errorBytes: Uint8Array = NO_BYTES;

  /** Bytes of the response so far. */
  get length(): number {
    return this.#writer.length;
  }

  result(result: AppliedResult): void {
    writeResult(this.#writer, RESULTS, result);
  }

  refusal(id: WireId, error: ApiError): void {
    writeRefusal(this.#writer, RESULTS, id, this.#encoded(error));
  }

  /** Ends the response. */
  take({ revision, session, batch = 0, effects, refused = 0, error }: ModifyHeader): Buffer {
    const writer = this.#writer;
    writer.uint64(REVISION, ...wordsOf(revision));
    if (session !== undefined) {
      const start = writer.begin(SESSION);
      if (session.isPrimary) writer.uint32(IS_PRIMARY, 1);
      writer.uint64(HIGHEST, ...wordsOf(session.highest));
      if (session.hasPrimary) writer.uint32(HAS_PRIMARY, 1);
      writer.end(start);
    }
    if (batch > 0) writer.uint64(BATCH, ...wordsOf(BigInt(batch)));
    for (const [effect, tag] of COUNTS) {
      const count = effects?.[effect] ?? 0;
      if (count > 0) writer.uint32(tag, count);
    }
    if (refused > 0) writer.uint32(REFUSED, refused);
    if (error !== undefined) writer.bytes(ERROR, this.#encoded(error));
    this.#error = undefined;
    return writer.take();
  }

  #encoded(error: ApiError): Uint8Array {
    if (error !== this.#error) {
      this.#errorBytes = errorMessages().status.serialize(toStatusMessage(error));
      this.#error = error;
    }
    return this.#errorBytes;
  }
}

const NO_BYTES = Buffer.alloc(0);

// Tags, by the numbers of routing_service.proto: ModifyResponse.
const REVISION = varintTag(1);
const SESSION = lengthTag(2);
const RESULTS = lengthTag(3);
const BATCH = varintTag(4);
const COUNTS = [
  ['added', varintTag(5)],
  ['changed', varintTag(6)],
  ['removed', varintTag(7)],
  ['unchanged', varintTag(8)],
] as const satisfies readonly (readonly [Effect, number])[];
const REFUSED = varintTag(9);
const ERROR = lengthTag(10);

// SessionState.
const IS_PRIMARY = varintTag(1);
const HIGHEST = varintTag(2);
const HAS_PRIMARY = varintTag(3);
