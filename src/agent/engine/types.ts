// What the engine is given, what it is asked, and what it tells.
import type { Address } from '../../model/address.js';
import type { Effect } from '../../model/change.js';
import type { Mrule } from '../../model/mrule.js';
import type { KernelFailure, Status, Warning } from '../../model/resource.js';
import type { Operation } from '../kernel/port.js';
import type { ChangeError } from '../rib/apply.js';
import type { RibFullError, Step, Wish } from '../rib/rib.js';

/** Where wishes are made to last; without one they end with the agent. */
export interface WishJournal {
  /**
   * Called with each step before it is taken.
   *
   * @throws whatever says why it cannot; the step is not taken then.
   */
  append(step: Step, revision: bigint): void;
}

export interface EngineOptions {
  readonly table: number;
  readonly mrulePriority: number;
  /** Makes `iif` and `oif` rules for the table's interfaces. */
  readonly makesMrules: boolean;
  /** `learn`: (*,G) rules are answered by upcalls, with counters per source. */
  readonly starG: 'kernel' | 'learn';
  /** Whether interfaces of which nobody says so take part in forwarding; by default they do. */
  readonly enablesInterfaces?: boolean;
  /** Idle time after which a learned entry goes, in ms; 0 is never. */
  readonly cacheTimeoutMs: number;
  /**
   * Where revisions begin: higher than any of an earlier life of the table's agent, so that a watch which resumes after
   * one of those is told that it cannot.
   */
  readonly firstRevision?: bigint;
  readonly journal?: WishJournal;
  /** Of a table with more entries of a family an audit looks at so many, and at the next ones next time. */
  readonly entriesPerAudit?: number;
}

/** Something worth a line in the log. */
export type EngineNote =
  | { readonly note: 'operation failed'; readonly operation: Operation; readonly failure: KernelFailure }
  | { readonly note: 'entry was changed by another program'; readonly flow: string }
  | { readonly note: 'mrule was removed by another program'; readonly rule: Mrule }
  | { readonly note: 'events were lost'; readonly from: 'netlink' | 'upcalls' }
  | { readonly note: 'warning'; readonly key: string; readonly warning: Warning };

/** What a request may ask for beside its changes. */
export interface ApplyOptions {
  readonly validateOnly: boolean;
  readonly expectedRevision: bigint | undefined;
  /** Warnings refuse the request. */
  readonly strict: boolean;
  /** Of Apply. `notable`: only of changes with warnings, and of those whose entries are not programmed. All by default. */
  readonly results?: 'all' | 'notable';
}

/** What became of one change. */
export interface ChangeOutcome {
  /** Which of the changes. */
  readonly index: number;
  readonly effect: Effect;
  readonly warnings: readonly Warning[];
  /** The owner's entry after it; undefined if there is none, or nothing was done. */
  readonly entry: EntryView | undefined;
}

/** A group that the agent itself joins. */
export interface OwnJoin {
  readonly interface: string;
  readonly group: Address;
}

/** What is wanted on an interface beside forwarding, and what that needs to know of it. */
export interface SignallingWish {
  readonly name: string;
  readonly ifindex: number;
  readonly isUp: boolean;
  /** From which it can speak, of both families, primary ones first. */
  readonly addresses: readonly Address[];
  readonly isQuerier: boolean;
  readonly isAdvertised: boolean;
}

/** A resource as the table holds it. */
export interface EntryView extends Wish {
  readonly status: Status;
}

/** A request that the table's state does not allow. Rib and change errors come as they are. */
export class EngineError extends Error {
  readonly code: 'REVISION_MISMATCH' | 'WARNINGS';

  constructor(code: 'REVISION_MISMATCH' | 'WARNINGS', message: string) {
    super(message);
    this.code = code;
  }
}

/** All that apply and replace throw. */
export type RequestError = EngineError | ChangeError | RibFullError;
