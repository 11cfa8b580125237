// Watches: the entries as they are, then every change, at the pace of each reader.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { WatchRequest__Output } from '../../api/generated/mcroute/v1/WatchRequest.js';
import type { WatchResponse } from '../../api/generated/mcroute/v1/WatchResponse.js';
import type { _mcroute_v1_WatchResponse_Event as WatchEvent } from '../../api/generated/mcroute/v1/WatchResponse.js';
import { renderEntry, renderResourceKey } from '../../api/render.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { WATCHERS_MAX, WATCHER_BACKLOG_MAX } from '../../model/limits.js';
import type { ResourceKey } from '../../model/resource.js';
import type { Engine } from '../engine.js';

export type WatchCall = ServerWritableStream<WatchRequest__Output, WatchResponse>;

/** Keys in one message. */
const KEYS_PER_MESSAGE = 256;

/** All watches of an agent. */
export class Watchers {
  readonly #engine: Engine;
  readonly #watchers = new Set<Watcher>();

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.onChange((_revision, keys) => {
      for (const watcher of this.#watchers) watcher.add(keys);
    });
  }

  get count(): number {
    return this.#watchers.size;
  }

  /**
   * Begins a watch.
   *
   * @throws ApiError RESOURCE_LIMIT, REVISION_COMPACTED.
   */
  add(call: WatchCall, afterRevision: bigint | undefined): void {
    if (this.#watchers.size >= WATCHERS_MAX) {
      throw new ApiError('RESOURCE_LIMIT', `${WATCHERS_MAX} watches are open, which is the limit: close one`);
    }
    const watcher = new Watcher(this.#engine, call, this.#start(afterRevision), afterRevision);
    this.#watchers.add(watcher);
    call.once('close', () => this.#watchers.delete(watcher));
    call.once('cancelled', () => this.#watchers.delete(watcher));
    watcher.pump();
  }

  /** Ends all watches, since the agent stops. */
  close(): void {
    for (const watcher of this.#watchers) {
      watcher.end(new ApiError('AGENT_UNAVAILABLE', 'the agent stops; watch again when it is back'));
    }
    this.#watchers.clear();
  }

  #start(afterRevision: bigint | undefined): Map<string, ResourceKey> {
    if (afterRevision === undefined) {
      const all = new Map<string, ResourceKey>();
      for (const text of this.#engine.keys()) {
        const [entry] = this.#engine.wishes(text);
        if (entry !== undefined) all.set(text, entry.resource.key);
      }
      return all;
    }
    const changed = this.#engine.changedAfter(afterRevision);
    if (changed === undefined) {
      throw new ApiError(
        'REVISION_COMPACTED',
        `what came after revision ${afterRevision.toString()} is not known here: watch again without after_revision`,
      );
    }
    return new Map(changed);
  }
}

/**
 * One reader. What it has not been told yet is a set of keys, never a queue of events: a slow reader gets the last
 * state of each, and what it costs is bounded by the number of keys.
 */
class Watcher {
  readonly #engine: Engine;
  readonly #call: WatchCall;
  readonly #pending: Map<string, ResourceKey>;
  /** Keys of the start that have not been sent. */
  #unsynced: number;
  #isSynced: boolean;
  /** Everything up to this revision has been sent. */
  #sentRevision: bigint;
  #isBlocked = false;
  #isEnded = false;

  constructor(engine: Engine, call: WatchCall, pending: Map<string, ResourceKey>, afterRevision: bigint | undefined) {
    this.#engine = engine;
    this.#call = call;
    this.#pending = pending;
    this.#unsynced = pending.size;
    this.#isSynced = false;
    this.#sentRevision = afterRevision ?? 0n;
    call.on('drain', () => {
      this.#isBlocked = false;
      this.pump();
    });
  }

  /** Takes note of changes. */
  add(keys: ReadonlyMap<string, ResourceKey>): void {
    for (const [text, key] of keys) this.#pending.set(text, key);
    if (this.#pending.size > WATCHER_BACKLOG_MAX) {
      this.end(
        new ApiError(
          'WATCHER_TOO_SLOW',
          `${this.#pending.size} changes wait, more than ${WATCHER_BACKLOG_MAX}: watch again, and read faster`,
        ),
      );
      return;
    }
    this.pump();
  }

  /** Sends what waits, as much as the reader takes. */
  pump(): void {
    while (!this.#isBlocked && !this.#isEnded && !this.#call.cancelled) {
      if (this.#pending.size === 0 && this.#isSynced) return;
      this.#isBlocked = !this.#call.write(this.#nextMessage());
    }
  }

  end(error: ApiError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#pending.clear();
    this.#call.emit('error', toStatusObject(error));
  }

  #nextMessage(): WatchResponse {
    const events: WatchEvent[] = [];
    for (const [text, key] of this.#pending) {
      if (events.length === KEYS_PER_MESSAGE) break;
      this.#pending.delete(text);
      events.push(this.#eventOf(text, key));
    }
    this.#unsynced = Math.max(0, this.#unsynced - events.length);
    if (!this.#isSynced && this.#unsynced === 0) {
      this.#isSynced = true;
      events.push({ synced: {} });
    }
    if (this.#isSynced && this.#pending.size === 0) this.#sentRevision = this.#engine.revision;
    return { revision: this.#sentRevision.toString(), events };
  }

  #eventOf(text: string, key: ResourceKey): WatchEvent {
    const entries = this.#engine.entries(text);
    if (entries.length === 0) return { delete: renderResourceKey(key) };
    return {
      put: { entries: entries.map(({ resource, owners, status }) => renderEntry(resource, owners, status)) },
    };
  }
}
