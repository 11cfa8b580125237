// The upcall thread in the core's words: its rules in, what it has learned out.
import type { Family } from '../../model/address.js';
import { LEARNED_FLOWS_MAX, UNMATCHED_FLOWS_MAX } from '../../model/limits.js';
import { errorName, kernelFailure } from './errors.js';
import { nativeFamily, packFlowKeys, packMfcRecords, packUpcallGroups, unpackUpcallRecords } from './mfc-records.js';
import {
  type MrouteSocket,
  type NativeAddon,
  RECORDS_PER_CALL,
  type UpcallStats,
  type UpcallThread,
} from './native.js';
import type { FlowKey, LearnedFlow, UpcallEvent, UpcallGroup } from './port.js';

export interface UpcallOptions {
  /** Asks for real-time priority for the thread. */
  readonly wantsRealtime: boolean;
  /** Events wait. */
  readonly onEvents: () => void;
}

/** Events of the thread that wait at most; more are lost and make a resync. */
const RING_MAX = 16_384;

export class Upcalls {
  readonly #families: readonly Family[];
  readonly #thread: UpcallThread;
  #droppedEvents = 0n;

  /** Starts the thread, which reads nothing until `answer`. */
  constructor(addon: NativeAddon, sockets: ReadonlyMap<Family, MrouteSocket>, options: UpcallOptions) {
    this.#families = [...sockets.keys()];
    const limits = { unmatchedLimit: UNMATCHED_FLOWS_MAX, learnedLimit: LEARNED_FLOWS_MAX, ringLimit: RING_MAX };
    const threadOptions = { ...limits, realtime: options.wantsRealtime };
    this.#thread = addon.startUpcallThread([...sockets.values()], threadOptions, options.onEvents);
    // The launcher may have given SCHED_RR to the whole process; only this thread keeps it.
    addon.dropRealtime([this.#thread.tid]);
  }

  get isRealtime(): boolean {
    return this.#thread.isRealtime;
  }

  stats(): UpcallStats {
    return this.#thread.stats();
  }

  /** As KernelPort.setUpcallRules. */
  setRules(family: Family, groups: readonly UpcallGroup[]): void {
    for (const some of chunks(groups)) this.#thread.setRules(nativeFamily(family), packUpcallGroups(some));
  }

  /** Makes or deletes learned entries, which are on the thread's list; an errno each, 0 if it was taken. */
  applyLearned(family: Family, records: Uint32Array): ArrayLike<number> {
    return this.#thread.applyLearned(nativeFamily(family), records);
  }

  /** As KernelPort.adoptLearned. */
  adoptLearned(flows: readonly LearnedFlow[]): void {
    this.#eachFamily(flows, (family, some) => {
      const puts = some.map((flow) => ({ ...flow, op: 'put-mfc', isLearned: true }) as const);
      this.#thread.adopt(nativeFamily(family), packMfcRecords(puts));
    });
  }

  /** As KernelPort.adoptUnresolved. */
  adoptUnresolved(flows: readonly FlowKey[]): void {
    this.#eachFamily(flows, (family, some) => {
      this.#thread.adoptUnresolved(nativeFamily(family), packFlowKeys(some));
    });
  }

  /** As KernelPort.touchLearned. */
  touch(flows: readonly FlowKey[]): void {
    this.#eachFamily(flows, (family, some) => {
      this.#thread.touch(nativeFamily(family), packFlowKeys(some));
    });
  }

  /** Begins to answer. */
  answer(): void {
    this.#thread.start();
  }

  /** What the thread has done since the last call; if some of it was lost, all that it has learned. */
  drain(): readonly UpcallEvent[] {
    const records = unpackUpcallRecords(this.#thread.drain());
    const { droppedEvents } = this.#thread.stats();
    if (droppedEvents === this.#droppedEvents) return records.flatMap(toEvent);
    this.#droppedEvents = droppedEvents;
    return [{ event: 'resync', flows: this.#learnedFlows() }];
  }

  stop(): void {
    this.#thread.stop();
  }

  #learnedFlows(): LearnedFlow[] {
    return this.#families.flatMap((family) =>
      unpackUpcallRecords(this.#thread.learned(nativeFamily(family))).map(({ flow }) => flow),
    );
  }

  #eachFamily<Flow extends FlowKey>(flows: readonly Flow[], call: (family: Family, some: Flow[]) => void): void {
    for (const family of this.#families) {
      const ofFamily = flows.filter(({ group }) => group.family === family);
      for (const some of chunks(ofFamily)) call(family, some);
    }
  }
}

function toEvent({ kind, flow, arrival, errno }: ReturnType<typeof unpackUpcallRecords>[number]): UpcallEvent[] {
  const { source, group } = flow;
  switch (kind) {
    case 'learned':
    case 'moved':
      return [{ event: kind, flow, arrival }];
    case 'evicted':
      return [{ event: 'evicted', source, group }];
    case 'failed': {
      const failure = kernelFailure(errorName(errno), 'setsockopt(MRT_ADD_MFC)');
      return [{ event: 'failed', source, group, failure }];
    }
    case 'unresolved':
      return [];
  }
}

function* chunks<Item>(items: readonly Item[]): Iterable<Item[]> {
  for (let start = 0; start < items.length; start += RECORDS_PER_CALL) {
    yield items.slice(start, start + RECORDS_PER_CALL);
  }
}
