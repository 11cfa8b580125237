// What a call has changed, for the gateway that relays it.
import { Metadata } from '@grpc/grpc-js';
import { relayMessages } from '../../api/load.js';
import { CHANGES_TRAILER } from '../../api/relay.js';
import type { Effect } from '../../model/change.js';
import { type ResourceKey, formatResourceKey } from '../../model/resource.js';
import type { Difference, Step } from '../rib/rib.js';
import type { Caller } from './caller.js';

/** Keys that are told. */
const FIRST_MAX = 5;

/** What a call has changed. */
export interface ChangedByCall {
  readonly revision: bigint;
  readonly effects: Readonly<Record<Effect, number>>;
  readonly step: Pick<Step, 'differences'>;
}

/** The trailer of a call; undefined if the caller has not asked for one. */
export function changesTrailer(
  { wantsChanges }: Caller,
  { revision, effects, step }: ChangedByCall,
): Metadata | undefined {
  if (!wantsChanges) return undefined;
  const { added, changed, removed } = effects;
  const first = step.differences.slice(0, FIRST_MAX).map(describe);
  const trailer = new Metadata();
  const summary = { revision: revision.toString(), added, changed, removed, first };
  trailer.set(CHANGES_TRAILER, relayMessages().changeSummary.serialize(summary));
  return trailer;
}

/** A call that has changed nothing, at a revision. */
export function nothingChanged(revision: bigint): ChangedByCall {
  return { revision, effects: { added: 0, changed: 0, removed: 0, unchanged: 0 }, step: { differences: [] } };
}

function describe({ key, before, after }: Difference): string {
  const sign = before === undefined ? '+' : after === undefined ? '-' : '~';
  return `${sign}${nameOf(key)}`;
}

/** As the commands call them. */
function nameOf(key: ResourceKey): string {
  return formatResourceKey(key).replace(/^membership /, 'join ');
}
