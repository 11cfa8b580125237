// Lists: what there is at one moment, sent as bytes in messages that let other work in between.
import { type CounterWords, type ListedMfcEntry, writeEntry, writeMfcEntry } from '../../api/entry-encoder.js';
import type { ListMfcRequest__Output } from '../../api/generated/mcroute/v1/ListMfcRequest.js';
import type { ListRequest__Output } from '../../api/generated/mcroute/v1/ListRequest.js';
import { WireWriter, lengthTag, varintTag, wordsOf } from '../../api/wire-writer.js';
import { hostPrefix } from '../../model/address.js';
import { type MrouteKey, formatMrouteKey } from '../../model/mroute.js';
import { type Scope, scopeShows, scopeShowsFlow, scopeShowsKey } from '../../model/scope.js';
import type { EntryView, Engine, WishId } from '../engine.js';
import { type CounterSource, CounterSums, RuleCounters } from './counters.js';
import type { EncodedCall } from './encoded.js';
import { parseFilter } from './filter.js';
import { writeAll } from './stream.js';

/** Bytes from which on a message is sent: little beside what a stream has on its way, and some milliseconds of work at most. */
const MESSAGE_BYTES = 64 * 1024;

/** Entries whose counters are read at once. */
const ENTRIES_PER_BLOCK = 500;

/** The entries of a table, as lists take them. */
export class Lists {
  readonly #engine: Engine;
  /** Those of the last revision that was listed: lists of one revision share them, also while their readers are slow. */
  #last: { readonly revision: bigint; readonly entries: WeakRef<readonly EntryView[]> } | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Serves List. @throws ApiError */
  async list({ view, filter }: ListRequest__Output, scope: Scope | undefined, call: EncodedCall): Promise<void> {
    const passes = within(scope, parseFilter(filter));
    const { revision } = this.#engine;
    const all = this.#entries(revision);
    const entries = passes === undefined ? all : all.filter(passes);
    await writeAll(call, encodeEntries(revision, entries, view === 'VIEW_FULL' ? this.#engine : undefined));
  }

  /** All entries are taken before the first is sent, so that they are of one revision; nothing that they hold changes. */
  #entries(revision: bigint): readonly EntryView[] {
    const known = this.#last?.revision === revision ? this.#last.entries.deref() : undefined;
    if (known !== undefined) return known;
    const entries: EntryView[] = [];
    for (const slot of this.#engine.slots()) for (const entry of this.#engine.entries(slot)) entries.push(entry);
    this.#last = { revision, entries: new WeakRef(entries) };
    return entries;
  }
}

/** Serves ListMfc. @throws ApiError */
export async function listMfc(
  engine: Engine,
  { view }: ListMfcRequest__Output,
  scope: Scope | undefined,
  call: EncodedCall,
): Promise<void> {
  await writeAll(call, encodeMfcEntries(takeMfcEntries(engine, scope), view === 'VIEW_FULL' ? engine : undefined));
}

/**
 * The messages of a list, each made when it is asked for; one at least, for the revision.
 *
 * @param counters where they are read, message by message; undefined: not at all
 */
export function* encodeEntries(
  revision: bigint,
  entries: readonly EntryView[],
  counters: CounterSource | undefined,
): Generator<Buffer> {
  const writer = new WireWriter();
  const ruleCounters = counters && new RuleCounters(counters, ENTRIES_PER_BLOCK);
  const begin = () => {
    writer.uint64(REVISION, ...wordsOf(revision));
  };
  begin();
  for (let start = 0; start < entries.length; start += ENTRIES_PER_BLOCK) {
    const block = entries.slice(start, start + ENTRIES_PER_BLOCK);
    const countersOf = ruleCounters?.read(block) ?? noCounters;
    let index = 0;
    for (const entry of block) {
      if (writer.length >= MESSAGE_BYTES) {
        yield writer.take();
        begin();
      }
      writeEntry(writer, ENTRIES, entry, countersOf(index++));
    }
  }
  yield writer.take();
}

/** The same of the forwarding cache; none where there are no entries. */
export function* encodeMfcEntries(
  entries: readonly ListedMfcEntry[],
  counters: Pick<CounterSource, 'countFlows'> | undefined,
): Generator<Buffer> {
  const writer = new WireWriter();
  const sums = counters && new CounterSums(counters, ENTRIES_PER_BLOCK);
  for (let start = 0; start < entries.length; start += ENTRIES_PER_BLOCK) {
    const block = entries.slice(start, start + ENTRIES_PER_BLOCK);
    sums?.clear();
    for (const [index, entry] of block.entries()) sums?.add(index, entry);
    sums?.read();
    for (const [index, entry] of block.entries()) {
      writeMfcEntry(writer, MFC_ENTRIES, entry, sums?.of(index));
      if (writer.length >= MESSAGE_BYTES) yield writer.take();
    }
  }
  if (writer.length > 0) yield writer.take();
}

// Tags of ListResponse and ListMfcResponse.
const REVISION = varintTag(1);
const ENTRIES = lengthTag(2);
const MFC_ENTRIES = lengthTag(1);

function noCounters(): CounterWords | undefined {
  return undefined;
}

/** Rules may go before their entries are sent, so that their keys are looked up at once. */
function takeMfcEntries(engine: Engine, scope: Scope | undefined): ListedMfcEntry[] {
  const entries = engine.families.flatMap((family) =>
    Array.from(engine.mfc(family), (entry) => ({ ...entry, rules: mrouteKeys(engine, entry.ids) })),
  );
  return scope === undefined ? entries : entries.flatMap((entry) => mfcEntryWithin(scope, entry) ?? []);
}

/** The entry without rules that the caller may not read of; undefined if that is all of it. */
function mfcEntryWithin(scope: Scope, entry: ListedMfcEntry): ListedMfcEntry | undefined {
  const { group, iif, oifs, rules } = entry;
  const interfaces = [iif, ...oifs.map((oif) => oif.interface)].filter((name) => name !== '');
  if (!scopeShowsFlow(scope, hostPrefix(group), interfaces)) return undefined;
  return { ...entry, rules: rules.filter((key) => scopeShowsKey(scope, key)) };
}

/** What passes both. */
function within(
  scope: Scope | undefined,
  passes: ReturnType<typeof parseFilter>,
): ((entry: EntryView) => boolean) | undefined {
  if (scope === undefined) return passes;
  return (entry) => scopeShows(scope, entry.resource) && (passes?.(entry) ?? true);
}

/** The keys of rules, each once although several owners may have it. */
function mrouteKeys(engine: Engine, ids: readonly WishId[]): MrouteKey[] {
  const keys: MrouteKey[] = [];
  for (const id of ids) {
    const key = engine.keyOf(id);
    if (key?.kind === 'mroute') keys.push(key);
  }
  if (keys.length < 2) return keys;
  return [...new Map(keys.map((key) => [formatMrouteKey(key), key])).values()];
}
