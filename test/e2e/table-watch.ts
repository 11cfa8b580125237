// A watch of an agent's table whose events tests wait for.
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import type {
  WatchResponse__Output,
  _mcroute_v1_WatchResponse_Event__Output as WatchEvent,
} from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { type ApiError, fromServiceError } from '../../src/api/status.js';
import type { Agent } from '../support/agent.js';
import { within } from '../support/wait.js';
import { isOf } from './table-client.js';

/** Opens a watch; without a revision it begins with what there is. */
export function openWatch(agent: Agent, afterRevision?: string): TableWatch {
  return new TableWatch(agent, afterRevision);
}

export class TableWatch implements Disposable {
  /** All events so far, in order. */
  readonly events: WatchEvent[] = [];
  /** Of the last message. */
  revision = '0';
  readonly #call: ClientReadableStream<WatchResponse__Output>;
  /** Resolves with what ended the watch; undefined if nothing went wrong. */
  readonly ended: Promise<ApiError | undefined>;
  /** How many events have been looked at by `until`. */
  #taken = 0;
  #onNews: () => void = () => undefined;

  constructor(agent: Agent, afterRevision: string | undefined) {
    const { table, client } = agent;
    this.#call = client.watch({ table, ...(afterRevision !== undefined && { afterRevision }) });
    this.#call.on('data', (message: WatchResponse__Output) => {
      this.events.push(...message.events);
      this.revision = message.revision;
      this.#onNews();
    });
    this.ended = new Promise((resolve) => {
      this.#call.once('error', (error: ServiceError) => {
        resolve(fromServiceError(error));
      });
      this.#call.once('end', () => {
        resolve(undefined);
      });
    });
  }

  /** The first event, of those that no earlier call has passed, of which `pick` makes something. */
  async until<T>(pick: (event: WatchEvent) => T | undefined, what: string, limitMs?: number): Promise<T> {
    const found = new Promise<T>((resolve) => {
      this.#onNews = () => {
        for (let event; (event = this.events[this.#taken]) !== undefined;) {
          this.#taken++;
          const picked = pick(event);
          if (picked === undefined) continue;
          this.#onNews = () => undefined;
          resolve(picked);
          return;
        }
      };
    });
    this.#onNews();
    return within(found, `a watch event: ${what}`, limitMs);
  }

  /** Waits for the end of the initial entries. */
  async synced(): Promise<void> {
    await this.until((event) => event.synced ?? undefined, 'synced');
  }

  /** Waits until an entry of the resource's key has the state. */
  untilState(resource: Resource, state: Entry__Output['state'], limitMs?: number): Promise<Entry__Output> {
    return this.until(
      ({ put }) => put?.entries.find((entry) => isOf(entry, resource) && entry.state === state),
      `${JSON.stringify(resource)} is ${state}`,
      limitMs,
    );
  }

  [Symbol.dispose](): void {
    this.#call.on('error', () => undefined);
    this.#call.cancel();
  }
}
