// What the engine is given, what it is asked, and what it tells.
import type { Address } from '../../model/address.js';
import type { Effect } from '../../model/change.js';
import type { Mrule } from '../../model/mrule.js';
import type { KernelFailure, Status, Warning } from '../../model/resource.js';
import type { Scope } from '../../model/scope.js';
import type { Operation } from '../kernel/port.js';
import type { ChangeError, PlannedEach } from '../rib/apply.js';
import type { RibFullError, Step, Wish } from '../rib/rib.js';
import type { Slot } from '../rib/slot.js';

/** Where wishes are made to last; without one they end with the agent. */
export interface WishJournal {
  /**
   * Called with each step before it is taken.
   *
   * @param revision that the step makes
   * @throws whatever says why it cannot; the step is not taken then.
   */
  append(step: Step, revision: bigint, note: StepNote): void;
}

/** What is to be remembered of a step beside its differences. */
export interface StepNote {
  readonly origin: ChangeOrigin;
  /** What its sender is told of it. */
  readonly effects: Readonly<Record<Effect, number>>;
}

/** Whose request a step is, and what was said of it. */
export interface ChangeOrigin {
  /** Such as `Apply`. */
  readonly method: string;
  /** Who calls, as a gateway knows it; empty or undefined for a caller of this host. */
  readonly author?: string;
  readonly comment?: string;
  /** Chosen by the client, with the digest of all that the request says; empty or undefined if it has none. */
  readonly requestId?: string;
  readonly requestDigest?: string;
  /** Time after which the step is taken back unless it is confirmed, in ms. */
  readonly confirmWithinMs?: number | undefined;
  /** Of a roll-back: the revision that it goes back to. */
  readonly restoredRevision?: bigint;
  /** Nobody has asked for it now: it is taken although a change of the owner waits for confirmation. */
  readonly isAutomatic?: boolean;
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
  /** What may be changed; undefined: everything. */
  readonly scope?: Scope | undefined;
  /** Undefined: the method of the engine, by nobody. */
  readonly origin?: ChangeOrigin;
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

/** What an Apply has done. */
export interface ApplyResult {
  readonly revision: bigint;
  readonly step: Step;
  readonly results: readonly ChangeOutcome[];
  readonly effects: Readonly<Record<Effect, number>>;
}

/** What became of changes that stand for themselves. */
export interface ApplyEachResult {
  readonly revision: bigint;
  readonly results: PlannedEach<EngineError>['results'];
  readonly effects: Readonly<Record<Effect, number>>;
  /** Of what was added or changed. */
  readonly warnings: ReadonlyMap<Slot, readonly Warning[]>;
}

/** What a Replace or a roll-back has done. */
export interface ReplaceResult {
  readonly revision: bigint;
  readonly step: Step;
  readonly effects: Readonly<Record<Effect, number>>;
  readonly warnings: readonly Warning[];
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
  readonly code: 'REVISION_MISMATCH' | 'WARNINGS' | 'OUT_OF_SCOPE' | 'OWNER_FULL';

  constructor(code: EngineError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** All that apply and replace throw. */
export type RequestError = EngineError | ChangeError | RibFullError;
