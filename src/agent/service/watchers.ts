// Watches: the entries as they are, then every change, at the pace of each reader.
import { writeEntry, writeResourceKey } from '../../api/entry-encoder.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { WireWriter, lengthTag, varintTag, wordsOf } from '../../api/wire-writer.js';
import { WATCHERS_MAX, WATCHERS_PER_CALLER_MAX, WATCHER_BACKLOG_MAX } from '../../model/limits.js';
import { type Scope, scopeShows, scopeShowsKey } from '../../model/scope.js';
import type { Engine, EntryView } from '../engine.js';
import type { ChangedKeys } from '../rib/history.js';
import type { Slot } from '../rib/slot.js';
import { CallSlots } from './call-slots.js';
import type { EncodedCall } from './encoded.js';

/** Keys in one message. */
const KEYS_PER_MESSAGE = 256;

/** Bytes on their way to a reader from which on it is sent no more: enough to keep a fast one busy. */
const UNREAD_MAX = 64 * 1024;

/** All watches of an agent. */
export class Watchers {
  readonly #engine: Engine;
  readonly #events: EventWriter;
  readonly #watchers = new Set<Watcher>();
  readonly #slots = new CallSlots({ all: WATCHERS_MAX, perCaller: WATCHERS_PER_CALLER_MAX, what: 'watches' });

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#events = new EventWriter(engine);
    engine.onChange((revision, keys) => {
      if (this.#watchers.size === 0) return;
      const change = new Change(this.#events, revision, keys);
      for (const watcher of this.#watchers) watcher.add(change);
    });
  }

  get count(): number {
    return this.#watchers.size;
  }

  /**
   * Begins a watch.
   *
   * @param scope what the reader is told of; undefined: everything
   * @param author the identity of the caller; empty for one of this host, who is bounded by all alone
   * @throws ApiError RESOURCE_LIMIT, REVISION_COMPACTED.
   */
  add(call: EncodedCall, afterRevision: bigint | undefined, scope?: Scope, author = ''): void {
    const leave = this.#slots.take(author);
    let watcher: Watcher;
    try {
      const parts = { engine: this.#engine, events: this.#events };
      watcher = new Watcher(parts, call, this.#start(afterRevision), { afterRevision, scope });
    } catch (error) {
      leave();
      throw error;
    }
    const end = () => {
      this.#watchers.delete(watcher);
      leave();
    };
    this.#watchers.add(watcher);
    call.once('close', end);
    call.once('cancelled', end);
    watcher.pump();
  }

  /** Ends all watches, since the agent stops. */
  close(): void {
    for (const watcher of this.#watchers) {
      watcher.end(new ApiError('AGENT_UNAVAILABLE', 'the agent stops; watch again when it is back'));
    }
    this.#watchers.clear();
  }

  #start(afterRevision: bigint | undefined): Set<Slot> {
    if (afterRevision === undefined) return new Set(this.#engine.slots());
    const changed = this.#engine.changedAfter(afterRevision);
    if (changed === undefined) {
      throw new ApiError(
        'REVISION_COMPACTED',
        `what came after revision ${afterRevision.toString()} is not known here: watch again without after_revision`,
      );
    }
    return new Set(changed);
  }
}

/** A change as those get it who have everything before it: in messages that are made once for all of them. */
class Change {
  readonly revision: bigint;
  readonly slots: readonly Slot[];
  readonly #events: EventWriter;
  readonly #messages: Buffer[] = [];

  constructor(events: EventWriter, revision: bigint, changed: ChangedKeys) {
    this.#events = events;
    this.revision = revision;
    this.slots = [...changed];
  }

  /** The message of KEYS_PER_MESSAGE keys from this one on; to be asked for in order. */
  message(first: number): Buffer {
    const index = first / KEYS_PER_MESSAGE;
    const end = first + KEYS_PER_MESSAGE;
    const isLast = end >= this.slots.length;
    return (this.#messages[index] ??= this.#make(
      this.slots.slice(first, end),
      isLast ? this.revision : this.revision - 1n,
    ));
  }

  #make(slots: readonly Slot[], revision: bigint): Buffer {
    for (const slot of slots) this.#events.event(slot);
    return this.#events.message(revision);
  }
}

/**
 * One reader. What it has not been told yet is a set of keys, never a queue of events: a slow reader gets the last
 * state of each, and what it costs is bounded by the number of keys.
 */
class Watcher {
  readonly #engine: Engine;
  readonly #events: EventWriter;
  readonly #call: EncodedCall;
  readonly #pending: Set<Slot>;
  /** Keys of the start that have not been sent. */
  #unsynced: number;
  #isSynced = false;
  /** It may have been told of keys that are told now. */
  #hasHeard: boolean;
  readonly #scope: Scope | undefined;
  /** Everything up to this revision has been sent. */
  #sentRevision: bigint;
  /** Bytes that are written and not with the reader yet. */
  #unread = 0;
  #hasLookedLong = false;
  #isEnded = false;

  constructor(
    { engine, events }: { readonly engine: Engine; readonly events: EventWriter },
    call: EncodedCall,
    pending: Set<Slot>,
    { afterRevision, scope }: { readonly afterRevision: bigint | undefined; readonly scope: Scope | undefined },
  ) {
    this.#engine = engine;
    this.#events = events;
    this.#call = call;
    this.#pending = pending;
    this.#unsynced = pending.size;
    this.#sentRevision = afterRevision ?? 0n;
    this.#hasHeard = afterRevision !== undefined;
    this.#scope = scope;
  }

  /** Takes note of a change, and sends it if there is room. */
  add(change: Change): void {
    const { slots, revision } = change;
    let first = 0;
    const hasAll = this.#isSynced && this.#pending.size === 0 && this.#sentRevision === revision - 1n;
    if (hasAll && this.#scope === undefined) {
      for (; first < slots.length && this.#hasRoom; first += KEYS_PER_MESSAGE) this.#write(change.message(first));
      if (first >= slots.length) {
        this.#sentRevision = revision;
        return;
      }
    }
    this.#hasHeard = true;
    for (const slot of first === 0 ? slots : slots.slice(first)) this.#pending.add(slot);
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
    while (this.#hasRoom && (this.#pending.size > 0 || !this.#isSynced)) this.#write(this.#nextMessage());
  }

  end(error: ApiError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#pending.clear();
    this.#call.emit('error', toStatusObject(error));
  }

  get #hasRoom(): boolean {
    return this.#unread < UNREAD_MAX && !this.#isEnded && !this.#call.cancelled;
  }

  #write(message: Buffer): void {
    // For one after a long look other work is let in, however little it has to tell.
    const size = this.#hasLookedLong ? UNREAD_MAX : message.length;
    this.#unread += size;
    this.#call.write(message, () => {
      this.#unread -= size;
      this.pump();
    });
  }

  /** Whether there was anything to tell. */
  #tell(slot: Slot): boolean {
    if (this.#scope !== undefined) {
      return this.#events.eventWithin(this.#scope, slot, this.#hasHeard);
    }
    this.#events.event(slot);
    return true;
  }

  #nextMessage(): Buffer {
    let count = 0;
    let told = 0;
    for (const slot of this.#pending) {
      if (told === KEYS_PER_MESSAGE || count === KEYS_PER_LOOK) break;
      this.#pending.delete(slot);
      if (this.#tell(slot)) told++;
      count++;
    }
    this.#hasLookedLong = count === KEYS_PER_LOOK;
    this.#unsynced = Math.max(0, this.#unsynced - count);
    if (!this.#isSynced && this.#unsynced === 0) {
      this.#isSynced = true;
      this.#events.synced();
    }
    if (this.#isSynced && this.#pending.size === 0) this.#sentRevision = this.#engine.revision;
    return this.#events.message(this.#sentRevision);
  }
}

/** Keys among which those are looked for that a reader with a scope may be told of, before other work is let in between. */
const KEYS_PER_LOOK = 4_096;

/** Makes the messages of watches. */
class EventWriter {
  readonly #engine: Engine;
  readonly #writer = new WireWriter();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Adds the key as it is now. */
  event(slot: Slot): void {
    this.#event(slot, this.#engine.entries(slot));
  }

  /**
   * Adds what a reader may be told of the key as it is now. Without a list of what it was told before: also of a key that it
   * was not told of it is told that nothing is there, if it might have been.
   *
   * @param hadBefore it may have been told of the key
   * @returns whether there is anything.
   */
  eventWithin(scope: Scope, slot: Slot, hadBefore: boolean): boolean {
    const entries = this.#engine.entries(slot).filter(({ resource }) => scopeShows(scope, resource));
    if (entries.length === 0 && !(hadBefore && scopeShowsKey(scope, slot.key))) return false;
    this.#event(slot, entries);
    return true;
  }

  #event(slot: Slot, entries: readonly EntryView[]): void {
    const writer = this.#writer;
    const event = writer.begin(EVENTS);
    if (entries.length === 0) writeResourceKey(writer, DELETE, slot.key);
    else {
      const put = writer.begin(PUT);
      for (const entry of entries) writeEntry(writer, ENTRIES_OF_KEY, entry, undefined);
      writer.end(put);
    }
    writer.end(event);
  }

  /** Adds the end of the entries as of the start. */
  synced(): void {
    const event = this.#writer.begin(EVENTS);
    this.#writer.end(this.#writer.begin(SYNCED));
    this.#writer.end(event);
  }

  /** The message of all that was added since the last one. */
  message(revision: bigint): Buffer {
    if (revision !== 0n) this.#writer.uint64(REVISION, ...wordsOf(revision));
    return this.#writer.take();
  }
}

// Tags of WatchResponse, its events and EntriesOfKey.
const REVISION = varintTag(1);
const EVENTS = lengthTag(2);
const PUT = lengthTag(1);
const DELETE = lengthTag(2);
const SYNCED = lengthTag(3);
const ENTRIES_OF_KEY = lengthTag(1);
