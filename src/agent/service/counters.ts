// What the kernel counted for each rule: the sum over the entries that it made.
import type { Counters as WireCounters } from '../../api/generated/mcroute/v1/Counters.js';
import type { Family } from '../../model/address.js';
import type { EntryView, Engine } from '../engine.js';
import type { Counters, FlowKey } from '../kernel/port.js';

/** Keys of one native call. */
const KEYS_PER_READ = 1_000;

/** Counters of rules, as of one moment. */
export interface RuleCounters {
  /** Undefined for what is not in the kernel's forwarding cache. */
  of(entry: EntryView): WireCounters | undefined;
}

/** Reads all counters and sums them up by rule. */
export function ruleCounters(engine: Engine): RuleCounters {
  const sums = new Map<string, Counters>();
  for (const family of engine.families) {
    const entries = [...engine.mfc(family)];
    const counters = readCounters(engine, family, entries);
    for (const [index, entry] of entries.entries()) {
      const counted = counters[index];
      if (counted === undefined) continue;
      for (const id of entry.ids) sums.set(id, add(sums.get(id), counted));
    }
  }
  return {
    of: ({ ids }) => {
      const sum = sums.get(ids[0] ?? '');
      return sum === undefined ? undefined : renderCounters(sum);
    },
  };
}

/** Reads the counters of many keys in batches. */
export function readCounters(
  engine: Engine,
  family: Family,
  keys: readonly FlowKey[],
): readonly (Counters | undefined)[] {
  const counters: (Counters | undefined)[] = [];
  for (let start = 0; start < keys.length; start += KEYS_PER_READ) {
    counters.push(...engine.readCounters(family, keys.slice(start, start + KEYS_PER_READ)));
  }
  return counters;
}

export function renderCounters(counters: Counters): WireCounters {
  return {
    packets: counters.packets.toString(),
    bytes: counters.bytes.toString(),
    wrongIf: counters.wrongIf.toString(),
  };
}

function add(a: Counters | undefined, b: Counters): Counters {
  if (a === undefined) return b;
  return { packets: a.packets + b.packets, bytes: a.bytes + b.bytes, wrongIf: a.wrongIf + b.wrongIf };
}
