// One call: its first message says which table it is about, the policy whether it may be made, and then bytes pass both
// ways as fast as they are taken.
import {
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  constants,
} from 'node:http2';
import { status } from '@grpc/grpc-js';
import { relayMessages } from '../api/load.js';
import { IDENTITY_HEADER, SCOPE_HEADER, WANTS_CHANGES_HEADER } from '../api/relay.js';
import { ApiError } from '../api/status.js';
import { MESSAGE_MAX, TABLE_ID_MAX } from '../model/limits.js';
import { type Decision, authorize } from './authorize.js';
import { type CallStatus, endCall, plainStatus, sendTrailers, statusOf } from './answer.js';
import type { BufferBudget } from './buffer-budget.js';
import { CallRecord } from './call-record.js';
import type { AuditLog } from './audit.js';
import { answerHeaders, requestHeaders, timeoutOf } from './headers.js';
import type { IdentityLimits } from './limits.js';
import { HEADER_BYTES, MessageSplitter } from './messages.js';
import type { Method } from './methods.js';
import type { Peer } from './peer.js';
import type { Policy } from './policy.js';
import type { RefusalRate } from './refusal-rate.js';
import { type RequestFault, RequestReader } from './request-reader.js';
import { readTable, readTableInFront } from './table-field.js';
import type { Servers } from './servers.js';
import type { UpstreamCall } from './upstreams.js';

/** What all calls share. */
export interface CallContext {
  readonly policy: () => Policy;
  readonly limits: IdentityLimits;
  /** Resources that an owner may have; 0: any number. */
  readonly resourcesPerOwner: () => number;
  readonly servers: Servers;
  readonly budget: BufferBudget;
  readonly audit: Pick<AuditLog, 'write'>;
  readonly refusalRate: RefusalRate;
}

/** What the connection hears of its calls. */
export interface CallObserver {
  /** So many bytes of messages have come. */
  readonly onBytes: (count: number) => void;
  /** Called once, when the call has its status. */
  readonly onEnd: (status: CallStatus) => void;
}

/** Longest time of a timer of Node, in ms. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** HTTP/2 flag of the last frame of a stream. */
const END_STREAM = constants.NGHTTP2_FLAG_END_STREAM;

export class Call {
  readonly #context: CallContext;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #method: Method;
  readonly #peer: Peer;
  readonly #record: CallRecord;
  readonly #reader: RequestReader;
  readonly #observer: CallObserver;
  #deadline: NodeJS.Timeout | undefined;
  /** Until a session may send the next message. */
  #pause: NodeJS.Timeout | undefined;
  #upstream: UpstreamCall | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #table = 0;
  /** What it may read and change. */
  #scopeText = '';
  #hasServerEnded = false;
  #isEnded = false;

  constructor(
    context: CallContext,
    request: { readonly stream: ServerHttp2Stream; readonly headers: IncomingHttpHeaders; readonly method: Method },
    peer: Peer,
    observer: CallObserver,
  ) {
    this.#context = context;
    this.#stream = request.stream;
    this.#headers = request.headers;
    this.#method = request.method;
    this.#peer = peer;
    this.#observer = observer;
    this.#record = new CallRecord(context, this.#method, peer);
    const timeoutMs = timeoutOf(request.headers);
    if (timeoutMs !== undefined) {
      this.#deadline = setTimeout(
        () => {
          this.#end(plainStatus(status.DEADLINE_EXCEEDED, 'the deadline of the call has passed'));
        },
        Math.min(timeoutMs, TIMER_MAX_MS),
      );
    }
    this.#stream.once('close', () => {
      this.#end(plainStatus(status.CANCELLED, 'the client has cancelled the call'));
    });
    this.#reader = new RequestReader(this.#stream, context.budget, peer.identity, {
      onBytes: observer.onBytes,
      onMessage: (message, release) => {
        this.#onMessage(message, release);
      },
      onEnd: () => {
        this.#onRequestEnd();
      },
      onFault: (fault) => {
        this.#end(statusOfFault(fault));
      },
    });
  }

  /** Ends the call with an error. */
  refuse(error: ApiError): void {
    this.#end(statusOf(error));
  }

  /** The policy is another. A call that it does not allow, or not so, ends. */
  recheck(): void {
    if (this.#upstream === undefined || this.#isEnded) return;
    // Who changes the policy is to hear what has become of it.
    if (this.#method.server === 'gateway' && this.#method.isWrite) return;
    const decision = this.#decide();
    if (!decision.isAllowed) this.refuse(this.#denial(decision.why));
    else if (scopeText(decision) !== this.#scopeText) {
      this.refuse(this.#denial(`what ${this.#peer.identity} may do has changed: try again`));
    }
  }

  #onMessage(message: Buffer, release: () => void): void {
    if (this.#upstream === undefined) {
      const problem = this.#begin(message.subarray(HEADER_BYTES));
      if (problem !== undefined) {
        release();
        this.refuse(problem);
        return;
      }
    } else if (this.#method.isSession && this.#method.isWrite) {
      this.#passInTime(message, release);
      return;
    }
    this.#pass(message, release);
  }

  /** Passes a message of a session when its caller may write again; nothing is read until then. */
  #passInTime(message: Buffer, release: () => void): void {
    const waitMs = this.#context.limits.takeWrite(this.#peer.identity);
    if (waitMs === 0) {
      if (this.#pass(message, release)) this.#reader.resume();
      return;
    }
    this.#reader.hold();
    // Others of the identity may take the right meanwhile: then it waits again.
    this.#pause = setTimeout(() => {
      this.#passInTime(message, release);
    }, waitMs);
  }

  /** False if the server does not take more now; nothing is read until it does. */
  #pass(message: Buffer, release: () => void): boolean {
    const stream = this.#upstream?.stream;
    if (stream === undefined || stream.destroyed || stream.writableEnded) {
      release();
      return true;
    }
    if (stream.write(message, release)) return true;
    this.#reader.hold();
    stream.once('drain', () => {
      this.#reader.resume();
    });
    return false;
  }

  #onRequestEnd(): void {
    if (this.#upstream !== undefined) this.#upstream.stream.end();
    else this.refuse(new ApiError('INVALID_FIELD', 'the call has no message, which would say what is wanted'));
  }

  /** Decides on the call by its first message. Gives what is against it. */
  #begin(message: Buffer): ApiError | undefined {
    const { server, namesTable, isWrite } = this.#method;
    if (namesTable) {
      // Agents know which table they serve; the others do what field 1 says.
      const table = server === 'agent' ? readTableInFront(message) : readTable(message);
      if (table === undefined) return new ApiError('INVALID_FIELD', 'the first message cannot be decoded');
      this.#table = this.#record.table = table;
      if (server === 'agent' && (table === 0 || table > TABLE_ID_MAX)) {
        return invalidTable(`it is ${table}, and must be 1 to ${TABLE_ID_MAX}: name the table`);
      }
    }
    const decision = this.#decide();
    if (!decision.isAllowed) return this.#denial(decision.why);
    this.#scopeText = scopeText(decision);
    if (isWrite) {
      const { identity } = this.#peer;
      const retryDelayMs = this.#context.limits.takeWrite(identity);
      if (retryDelayMs > 0) {
        return new ApiError('RATE_LIMIT', `${identity} writes too often: try again a little later`, { retryDelayMs });
      }
    }
    const resourcesPerOwner = server === 'agent' ? this.#context.resourcesPerOwner() : 0;
    const isLimited = decision.scope !== undefined || (isWrite && resourcesPerOwner > 0);
    // A grant without lists is for everything.
    const scope = isLimited ? { ...(decision.scope ?? { grants: [{}] }), resourcesPerOwner } : undefined;
    this.#connect({
      ...(scope !== undefined && { [SCOPE_HEADER]: relayMessages().scope.serialize(scope).toString('base64') }),
      ...(isWrite && server === 'agent' && { [WANTS_CHANGES_HEADER]: '1' }),
    });
    return undefined;
  }

  #decide(): Decision {
    const { service, name } = this.#method;
    return authorize(this.#context.policy(), { peer: this.#peer, service, method: name, table: this.#table });
  }

  #denial(why: string): ApiError {
    return new ApiError('PERMISSION_DENIED', why, { metadata: { identity: this.#peer.identity } });
  }

  #connect(added: OutgoingHttpHeaders): void {
    const upstream = this.#context.servers.request(this.#method, this.#table, this.#peer, {
      ...requestHeaders(this.#headers, this.#method.path),
      [IDENTITY_HEADER]: printable(this.#peer.identity),
      ...added,
    });
    this.#upstream = upstream;
    this.#relayAnswer(upstream.stream);
  }

  #relayAnswer(upstream: ClientHttp2Stream): void {
    const stream = this.#stream;
    let isDataEnded = false;
    const endIfAll = () => {
      if (isDataEnded && this.#trailers !== undefined) this.#endWith(this.#trailers);
    };
    const splitter = this.#method.isSession && this.#method.isWrite ? new MessageSplitter(Infinity) : undefined;
    const onData = (chunk: Buffer) => {
      for (const message of splitter?.add(chunk).messages ?? []) this.#record.onResults(message.subarray(HEADER_BYTES));
      if (this.#isEnded || stream.destroyed || stream.write(chunk)) return;
      upstream.pause();
      stream.once('drain', () => {
        upstream.resume();
      });
    };
    upstream.on('response', (headers, flags) => {
      if (this.#isEnded || stream.destroyed) return;
      if ((flags & END_STREAM) !== 0) {
        this.#endWith(headers);
        return;
      }
      stream.respond(answerHeaders(headers), { waitForTrailers: true });
      // Not before: Node tells of headers a tick late, and of data that come with them at once.
      upstream.on('data', onData);
    });
    upstream.on('trailers', (headers: IncomingHttpHeaders) => {
      this.#trailers = headers;
      endIfAll();
    });
    upstream.once('end', () => {
      isDataEnded = true;
      endIfAll();
    });
    upstream.once('close', () => {
      if (this.#isEnded) return;
      if (this.#trailers !== undefined) this.#endWith(this.#trailers);
      else this.#end(this.#context.servers.absence(this.#method, this.#table, this.#upstream?.connectionError()));
    });
  }

  /** The server has ended the call, with these trailers, or with headers alone. */
  #endWith(headers: IncomingHttpHeaders): void {
    if (this.#isEnded) return;
    this.#hasServerEnded = true;
    const stream = this.#stream;
    const ended = this.#record.readTrailers(headers);
    const passed = answerHeaders(headers);
    if (stream.headersSent && !stream.destroyed) sendTrailers(stream, passed);
    else endCall(stream, { ...ended, headers: passed });
    this.#finish(ended);
  }

  #end(ended: CallStatus): void {
    if (this.#isEnded) return;
    endCall(this.#stream, ended);
    this.#finish(ended);
  }

  #finish(ended: CallStatus): void {
    this.#isEnded = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#pause);
    this.#reader[Symbol.dispose]();
    const isOver = this.#hasServerEnded && this.#upstream?.stream.writableEnded === true;
    if (!isOver) this.#upstream?.cancel();
    this.#record.end(ended);
    this.#observer.onEnd(ended);
  }
}

function statusOfFault(fault: RequestFault): CallStatus {
  switch (fault) {
    case 'too large':
      return statusOf(
        new ApiError('MESSAGE_TOO_LARGE', `a message has more than ${MESSAGE_MAX} bytes: send several smaller ones`),
      );
    case 'compressed':
      return plainStatus(status.UNIMPLEMENTED, 'compressed messages are not taken: send them as they are');
    case 'too slow':
      return plainStatus(status.DEADLINE_EXCEEDED, 'a message was begun and did not come: the connection is too slow');
    case 'cut off':
      return plainStatus(status.INTERNAL, 'the last message is cut off');
  }
}

function scopeText(decision: Decision): string {
  return decision.isAllowed && decision.scope !== undefined ? JSON.stringify(decision.scope) : '';
}

function invalidTable(description: string): ApiError {
  return new ApiError('INVALID_FIELD', `table: ${description}`, { violations: [{ field: 'table', description }] });
}

/** Metadata holds printable ASCII only; other characters are percent-encoded, as in grpc-message. */
function printable(identity: string): string {
  return identity.replace(/[^ -~]+/gu, (text) => encodeURIComponent(Buffer.from(text).toString()));
}
