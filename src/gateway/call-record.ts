// What the audit is told of one call.
import type { IncomingHttpHeaders } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { errorMessages, relayMessages } from '../api/load.js';
import { DETAILS_TRAILER, fromStatusMessage } from '../api/status.js';
import { type CallStatus, codeName } from './answer.js';
import type { AuditLog, AuditRecord } from './audit.js';
import { bytesOf, changesOf } from './headers.js';
import { type Method, shortName } from './methods.js';
import type { Peer } from './peer.js';
import type { RefusalRate } from './refusal-rate.js';
import { SessionCounter } from './session-changes.js';

/** Least time between two lines of a session, in ms. */
const SESSION_LINE_MS = 1_000;

/** Codes of calls that were refused, which are told of reads too. */
const REFUSALS: ReadonlySet<number> = new Set([status.PERMISSION_DENIED, status.UNAUTHENTICATED]);

type Changes = Pick<AuditRecord, 'revision' | 'added' | 'changed' | 'removed' | 'first'>;

export interface RecordContext {
  readonly audit: Pick<AuditLog, 'write'>;
  readonly refusalRate: RefusalRate;
}

export class CallRecord {
  /** 0 until it is known. */
  table = 0;
  readonly #context: RecordContext;
  readonly #method: Method;
  readonly #peer: Peer;
  readonly #time = Date.now();
  readonly #begin = performance.now();
  readonly #session = new SessionCounter();
  #sessionTimer: NodeJS.Timeout | undefined;
  #changes: Changes = {};

  constructor(context: RecordContext, method: Method, peer: Peer) {
    this.#context = context;
    this.#method = method;
    this.#peer = peer;
  }

  /** An answer of a session. */
  onResults(message: Buffer): void {
    this.#session.add(message);
    if (this.#sessionTimer !== undefined || !this.#session.hasChanges) return;
    this.#sessionTimer = setTimeout(() => {
      this.#sessionTimer = undefined;
      this.#write('OK', this.#sessionChanges());
    }, SESSION_LINE_MS);
  }

  /** Reads what the server ended the call with. */
  readTrailers(headers: IncomingHttpHeaders): CallStatus {
    const changes = changesOf(headers);
    if (changes !== undefined) {
      const { revision, ...rest } = relayMessages().changeSummary.deserialize(changes);
      this.#changes = { revision, ...rest };
    }
    return {
      code: Number(headers['grpc-status'] ?? status.UNKNOWN),
      message: decode(String(headers['grpc-message'] ?? '')),
      headers,
    };
  }

  /** The call has ended. */
  end(ended: CallStatus): void {
    clearTimeout(this.#sessionTimer);
    const { code, message } = ended;
    const isOk = codeName(code) === 'OK';
    const reason = isOk ? undefined : reasonOf(ended);
    const isRefusal = REFUSALS.has(code) || reason === 'RATE_LIMIT';
    if (!isRefusal && !this.#method.isWrite) return;
    const { isTold, untold } = isRefusal ? this.#context.refusalRate.tell(this.#peer.address) : TOLD;
    if (!isTold) return;
    const changes = this.#session.hasChanges ? this.#sessionChanges() : this.#changes;
    this.#write(codeName(code), {
      ...(reason !== undefined && { reason }),
      ...(!isOk && { message }),
      ...(untold > 0 && { others: untold }),
      ...changes,
    });
  }

  #sessionChanges(): Partial<AuditRecord> {
    const { refused, revision, ...counts } = this.#session.take();
    return { revision: String(revision), ...counts, ...(refused > 0 && { message: `${refused} refused` }) };
  }

  #write(outcome: string, more: Partial<AuditRecord>): void {
    this.#context.audit.write({
      time: this.#time,
      identity: this.#peer.identity,
      address: this.#peer.address,
      method: shortName(this.#method),
      table: this.table,
      outcome,
      durationMs: Math.round((performance.now() - this.#begin) * 1_000) / 1_000,
      ...more,
    });
  }
}

const TOLD = { isTold: true, untold: 0 };

/** The reason of ErrorInfo; undefined if there are no details. */
function reasonOf({ headers }: CallStatus): string | undefined {
  const details = bytesOf(headers as IncomingHttpHeaders, DETAILS_TRAILER);
  if (details === undefined) return undefined;
  try {
    return fromStatusMessage(errorMessages().status.deserialize(details)).reason;
  } catch {
    return undefined;
  }
}

/** grpc-message is percent-encoded. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
