// Which learned flows are idle: pure bookkeeping over counters read from time to time.
import { type Address, addressKey } from '../../model/address.js';
import type { Counters, FlowKey, LearnedFlow } from '../kernel/port.js';

/** What was last seen of a flow. */
interface Seen {
  packets: bigint;
  /** When the count was first seen as it is, in ms. */
  sinceMs: number;
}

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
