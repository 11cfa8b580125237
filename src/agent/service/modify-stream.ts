// One session of a controller: who it is, then batch after batch, at the pace of its reader.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { ModifyWriter } from '../../api/modify-encoder.js';
import type { ModifyBatch, ModifyMessage, ModifyReader } from '../../api/modify-requests.js';
import { type SessionRequest, parseSession } from '../../api/parse-session.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { LIST_STALL_MS } from '../../model/limits.js';
import type { Engine } from '../engine.js';
import type { ChangedKeys } from '../rib/history.js';
import type { Standing } from '../sessions/election.js';
import type { Session, Sessions } from '../sessions/sessions.js';
import { type Caller, callerOf } from './caller.js';
import { LaterResults } from './later-results.js';
import { applyBatch, refuseAll } from './modify-batch.js';
import { checkSessionScope, notPrimary, toSessionError } from './modify-errors.js';
import { type Answer, Outbox } from './outbox.js';

/** A stream of undecoded requests and encoded responses. */
export type ModifyCall = ServerDuplexStream<Buffer, Buffer>;

export interface ModifyOptions {
  readonly engine: Engine;
  readonly sessions: Sessions;
  readonly read: ModifyReader;
  /** @throws ApiError if the agent does not serve the table. */
  readonly checkTable: (table: number) => void;
  /** @throws ApiError if the API may not change what this owner wants. */
  readonly checkOwner: (owner: string) => void;
  /** As in ServiceOptions. */
  readonly settled: () => Promise<void>;
  /** The error that a caller gets; a bug is reported and told as INTERNAL. */
  readonly failure: (error: unknown) => ApiError;
  /** Time in which a controller must say who it is, and take something of what it is sent, in ms. */
  readonly stallMs?: number;
}

/** Changes of batches after which other work is let in between. */
const TURN_CHANGES = 1_000;

export class ModifyStream {
  readonly #options: ModifyOptions;
  readonly #call: ModifyCall;
  readonly #onEnd: () => void;
  readonly #writer = new ModifyWriter();
  readonly #outbox: Outbox;
  #caller: Caller | undefined;
  #session: Session | undefined;
  #request: SessionRequest | undefined;
  #later: LaterResults | undefined;
  /** Batches that came, and those whose results were sent. */
  #batches = 0;
  #sentBatches = 0;
  /** Changes since other work was let in between. */
  #changesOfTurn = 0;
  /** The engine takes a batch: which of the operations before it have no other result is known afterwards. */
  #isApplying = false;
  /** Nothing is read until something has been done. */
  #isBusy = false;
  /** The controller sends no more. */
  #isHalfClosed = false;
  #isEnded = false;
  /** Ends a stream on which nobody says whose it is. */
  #silence: NodeJS.Timeout | undefined;
  /** What tells where the session stands and was not sent yet. */
  #standing: Answer | undefined;

  constructor(options: ModifyOptions, call: ModifyCall, onEnd: () => void) {
    this.#options = options;
    this.#call = call;
    this.#onEnd = onEnd;
    const { stallMs = LIST_STALL_MS } = options;
    this.#outbox = new Outbox({
      call,
      stallMs,
      onStall: () => {
        const text = `the results were not read for ${stallMs / 1_000} s: begin another session, and read on`;
        this.fail(new ApiError('RESOURCE_LIMIT', text));
      },
      nextNews: () => (this.#isHalfClosed ? undefined : this.#later?.next(this.#writer, this.#sentBatches)),
      onProgress: () => {
        this.#goOn();
      },
    });
  }

  start(): void {
    const call = this.#call;
    this.#silence = setTimeout(() => {
      this.fail(new ApiError('INVALID_FIELD', 'session: did not come; it is required in the first message'));
    }, this.#options.stallMs ?? LIST_STALL_MS).unref();
    call.on('data', (bytes: Buffer) => {
      this.#take(bytes);
    });
    call.on('end', () => {
      this.#isHalfClosed = true;
      if (!this.#isBusy) this.#leave();
      this.#goOn();
    });
    call.once('cancelled', () => {
      this.#end();
    });
    call.once('close', () => {
      this.#end();
    });
    // A broken stream is the client's affair.
    call.on('error', () => undefined);
  }

  /** Takes note of keys that changed. */
  note(keys: ChangedKeys): void {
    if (this.#later?.note(keys) === true && !this.#isApplying) this.#outbox.flush();
  }

  /** Ends the stream with an error. */
  fail(error: ApiError): void {
    if (this.#isEnded) return;
    this.#end();
    this.#call.pause();
    this.#call.emit('error', toStatusObject(error));
  }

  #take(bytes: Buffer): void {
    if (this.#isEnded) return;
    try {
      this.#takeMessage(this.#read(bytes));
    } catch (error) {
      this.fail(this.#options.failure(error));
    }
  }

  #read(bytes: Buffer): ModifyMessage {
    try {
      return this.#options.read(bytes);
    } catch (error) {
      throw new ApiError('INVALID_FIELD', 'the message cannot be decoded: it is no ModifyRequest', { cause: error });
    }
  }

  #takeMessage(message: ModifyMessage): void {
    if (message.kind === 'session') {
      void this.#takeSession(message);
      return;
    }
    const session = this.#session;
    if (session === undefined) throw new ApiError('INVALID_FIELD', 'session: is required in the first message');
    if (message.kind === 'changes') this.#takeBatch(session, message.batch);
    else this.#refuse(message.error, message.changeCount);
    this.#outbox.flush();
  }

  /** It does not throw. */
  async #takeSession({ table, session: wire }: ModifyMessage & { readonly kind: 'session' }): Promise<void> {
    // What comes after it is about what becomes of it.
    this.#pause();
    try {
      if (this.#session === undefined) await this.#begin(table, parseSession(wire));
      else await this.#claimAgain(this.#session, parseSession(wire));
    } catch (error) {
      const failure = toSessionError(error) ?? this.#options.failure(error);
      if (this.#session === undefined) this.fail(failure);
      else this.#refuse(failure, undefined);
    }
    this.#isBusy = false;
    if (this.#isHalfClosed || this.#isEnded) this.#leave();
    this.#outbox.flush();
  }

  async #begin(table: number, request: SessionRequest): Promise<void> {
    const { engine, sessions, checkTable, checkOwner } = this.#options;
    checkTable(table);
    checkOwner(request.owner);
    const caller = callerOf(this.#call);
    checkSessionScope(caller, request);
    const session = await sessions.join(request, (standing) => {
      this.#tell(standing);
    });
    this.#caller = caller;
    this.#request = request;
    this.#later = new LaterResults(engine, request.owner);
    this.#session = session;
    clearTimeout(this.#silence);
    this.#tell(session.standing);
  }

  async #claimAgain(session: Session, request: SessionRequest): Promise<void> {
    const { owner, role } = this.#request ?? request;
    if (request.owner !== owner || request.role !== role) {
      throw new ApiError(
        'INVALID_FIELD',
        `owner, role: cannot be changed, they are '${owner}' and '${role}': begin another session`,
      );
    }
    this.#tell(await session.claim(request));
    this.#request = request;
  }

  #takeBatch(session: Session, batch: ModifyBatch): void {
    const { engine } = this.#options;
    const number = ++this.#batches;
    const { ids } = batch;
    this.#changesOfTurn += ids.length;
    if (this.#changesOfTurn > TURN_CHANGES) this.#rest();
    const request = this.#request;
    const later = this.#later;
    if (request === undefined || later === undefined) throw new Error('bug: a session has no request');
    if (!session.isPrimary) {
      this.#answer(
        refuseAll(engine.revision, ids, notPrimary(request, session.standing), this.#writer, number),
        number,
      );
      return;
    }
    const { owner, isNotableOnly } = request;
    const { author = '', scope } = this.#caller ?? {};
    this.#isApplying = true;
    const messages = applyBatch(
      engine,
      batch,
      { later, writer: this.#writer },
      { owner, author, scope, isNotableOnly, number },
    );
    this.#isApplying = false;
    const answer = this.#answer(messages, number, false);
    void this.#settle(answer, batch, number);
  }

  /** Lets an answer be sent when what it tells of is durable. It does not throw. */
  async #settle(answer: Answer, { ids }: ModifyBatch, number: number): Promise<void> {
    const { engine, settled, failure } = this.#options;
    try {
      await settled();
    } catch (error) {
      this.#later?.forgetBatch(number);
      this.#outbox.replace(answer, refuseAll(engine.revision, ids, failure(error), this.#writer, number));
    }
    answer.isReady = true;
    this.#outbox.flush();
  }

  /** Answers a message that was refused as a whole. */
  #refuse(error: ApiError, changeCount: number | undefined): void {
    const { revision } = this.#options.engine;
    const number = changeCount === undefined ? 0 : ++this.#batches;
    this.#answer([this.#writer.take({ revision, batch: number, refused: changeCount ?? 0, error })], number);
  }

  #answer(messages: readonly Buffer[], batch: number, isReady = true): Answer {
    const answer = {
      messages,
      isReady,
      onSent: () => {
        if (batch > 0) this.#sentBatches = batch;
      },
    };
    this.#outbox.add(answer);
    return answer;
  }

  /** Tells where the session stands; what waits to be told of that is told no more. */
  #tell(session: Standing): void {
    const messages = [this.#writer.take({ revision: this.#options.engine.revision, session })];
    if (this.#standing !== undefined) this.#outbox.replace(this.#standing, messages);
    else {
      const onSent = () => {
        this.#standing = undefined;
      };
      this.#standing = { messages, isReady: true, onSent };
      this.#outbox.add(this.#standing);
    }
    this.#outbox.flush();
  }

  #pause(): void {
    this.#isBusy = true;
    this.#call.pause();
  }

  /** Lets other work in between. */
  #rest(): void {
    this.#changesOfTurn = 0;
    this.#pause();
    setImmediate(() => {
      this.#isBusy = false;
      this.#goOn();
    });
  }

  /** Reads on if the controller reads too, and ends when both have nothing to say any more. */
  #goOn(): void {
    if (this.#isEnded || this.#isBusy) return;
    if (this.#isHalfClosed) {
      this.#leave();
      if (!this.#outbox.isEmpty) return;
      this.#end();
      this.#call.end();
    } else if (!this.#outbox.hasRoom) this.#call.pause();
    else if (this.#call.isPaused()) this.#call.resume();
  }

  #leave(): void {
    this.#session?.leave();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#silence);
    this.#leave();
    this.#outbox.close();
    this.#onEnd();
  }
}
