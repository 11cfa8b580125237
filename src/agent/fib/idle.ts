// Which learned flows are idle: pure bookkeeping over counters read from time to time.
import { type Address, addressKey } from '../../model/address.js';
import type { Counters, FlowKey, LearnedFlow } from '../kernel/port.js';

/** What was last seen of a flow. */
interface Seen {
  packets: bigint;
  /** When the count was first seen as it is, in ms. */
  sinceMs: number;
}

/**
 * Time between two looks at the counters, in ms. A flow goes at the first look that is a timeout after the one that found
 * its last packet: between one timeout and one timeout and an interval after that packet.
 *
 * @param timeoutMs idle time after which a flow goes; above 0.
 */
export function idleCheckIntervalMs(timeoutMs: number): number {
  return Math.max(INTERVAL_MIN_MS, Math.ceil(timeoutMs / CHECKS_PER_TIMEOUT)) + TIMER_EARLY_MS;
}

const CHECKS_PER_TIMEOUT = 4;

/** With tens of thousands of flows a look costs some ten milliseconds. */
const INTERVAL_MIN_MS = 250;

/**
 * Timers of Node may be up to a millisecond early. Without this, four intervals would now and then be shorter than the
 * timeout, and the flow would stay for a fifth.
 */
const TIMER_EARLY_MS = 5;

/** Remembers when each learned flow last moved a packet. */
export class IdleFlows {
  #seen = new Map<string, Seen>();

  /**
   * Compares counters with those of the last time.
   *
   * @param flows all learned flows.
   * @param counters in the same order; undefined where the kernel has no such entry.
   * @param nowMs a monotonic clock.
   * @param timeoutMs idle time after which a flow goes; 0 is never.
   */
  inspect(
    flows: readonly LearnedFlow[],
    counters: readonly (Counters | undefined)[],
    nowMs: number,
    timeoutMs: number,
  ): { readonly idle: LearnedFlow[]; readonly active: FlowKey[] } {
    const idle: LearnedFlow[] = [];
    const active: FlowKey[] = [];
    const seen = new Map<string, Seen>();
    for (const [index, flow] of flows.entries()) {
      const key = flowText(flow.source, flow.group);
      const packets = counters[index]?.packets ?? 0n;
      const before = this.#seen.get(key);
      const now = before?.packets === packets ? before : { packets, sinceMs: nowMs };
      if (now !== before) active.push(flow);
      if (timeoutMs > 0 && nowMs - now.sinceMs >= timeoutMs) idle.push(flow);
      else seen.set(key, now);
    }
    this.#seen = seen;
    return { idle, active };
  }
}

function flowText(source: Address, group: Address): string {
  return `${addressKey(source)},${addressKey(group)}`;
}
