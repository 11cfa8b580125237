// A controller's session with an agent, as tests want it: what it is told is kept, and can be waited for.
import { EventEmitter } from 'node:events';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { ChangeResult__Output } from '../../src/api/generated/mcroute/v1/ChangeResult.js';
import type { ModifyRequest } from '../../src/api/generated/mcroute/v1/ModifyRequest.js';
import type { ModifyResponse__Output } from '../../src/api/generated/mcroute/v1/ModifyResponse.js';
import type { RoutingServiceClient } from '../../src/api/generated/mcroute/v1/RoutingService.js';
import type { Session } from '../../src/api/generated/mcroute/v1/Session.js';
import type { SessionState__Output } from '../../src/api/generated/mcroute/v1/SessionState.js';
import { type ApiError, fromServiceError } from '../../src/api/status.js';
import { WAIT_LIMIT_MS, within } from './wait.js';

/** A session; disposing of it cancels the stream. */
export class SessionClient implements Disposable {
  readonly call: ClientDuplexStream<ModifyRequest, ModifyResponse__Output>;
  readonly responses: ModifyResponse__Output[] = [];
  /** How the stream ended: undefined while it has not, and `OK`, or the error. */
  end: 'OK' | ApiError | undefined;
  readonly #news = new EventEmitter();
  readonly #table: number;

  constructor(client: RoutingServiceClient, table: number, session?: Session) {
    this.#table = table;
    this.call = client.modify();
    this.call.on('data', (response: ModifyResponse__Output) => {
      this.responses.push(response);
      this.#news.emit('news');
    });
    this.call.on('error', (error: ServiceError) => {
      this.end = fromServiceError(error);
      this.#news.emit('news');
    });
    this.call.on('end', () => {
      this.end ??= 'OK';
      this.#news.emit('news');
    });
    if (session !== undefined) this.claim(session);
  }

  claim(session: Session): void {
    this.call.write({ table: this.#table, session });
  }

  send(...changes: readonly Change[]): void {
    this.call.write({ changes: { changes: [...changes] } });
  }

  /** Where it stands, as it was told last. */
  get standing(): SessionState__Output | undefined {
    return this.responses.findLast(({ session }) => session !== null)?.session ?? undefined;
  }

  get results(): ChangeResult__Output[] {
    return this.responses.flatMap(({ results }) => results);
  }

  /** The results of the operations with this id, the first one first. */
  resultsOf(id: number): ChangeResult__Output[] {
    return this.results.filter((result) => result.id === String(id));
  }

  /** Waits until the probe gives something. */
  async until<Value>(probe: () => Value | undefined, what: string, limitMs = WAIT_LIMIT_MS): Promise<Value> {
    const found = new Promise<Value>((resolve) => {
      const look = () => {
        const value = probe();
        if (value === undefined) return;
        this.#news.off('news', look);
        resolve(value);
      };
      this.#news.on('news', look);
      look();
    });
    return within(found, what, limitMs);
  }

  /** Waits until it is told that it stands so. */
  async untilStanding(isPrimary: boolean, hasPrimary = isPrimary): Promise<SessionState__Output> {
    return this.until(
      () => {
        const { standing } = this;
        return standing?.isPrimary === isPrimary && standing.hasPrimary === hasPrimary ? standing : undefined;
      },
      `is_primary ${String(isPrimary)}, has_primary ${String(hasPrimary)}`,
    );
  }

  /** Waits for the last response to a batch. */
  async untilBatch(batch: number, limitMs = WAIT_LIMIT_MS): Promise<ModifyResponse__Output> {
    const isLast = ({ added, changed, removed, unchanged, refused }: ModifyResponse__Output) =>
      added + changed + removed + unchanged + refused > 0;
    return this.until(
      () => this.responses.find((response) => response.batch === String(batch) && isLast(response)),
      `the results of batch ${batch}`,
      limitMs,
    );
  }

  /** Waits for the end of the stream. */
  async untilEnd(): Promise<'OK' | ApiError> {
    return this.until(() => this.end, 'the end of the session');
  }

  [Symbol.dispose](): void {
    this.call.cancel();
  }
}
