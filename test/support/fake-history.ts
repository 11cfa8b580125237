// What the fake agent remembers of its changes: what each owner wanted before, and what waits for confirmation.
import type { ConfirmResponse } from '../../src/api/generated/mcroute/v1/ConfirmResponse.js';
import type { Duration__Output } from '../../src/api/generated/google/protobuf/Duration.js';
import type { HistoryEntry } from '../../src/api/generated/mcroute/v1/HistoryEntry.js';
import type { RollbackRequest__Output } from '../../src/api/generated/mcroute/v1/RollbackRequest.js';
import type { RollbackResponse } from '../../src/api/generated/mcroute/v1/RollbackResponse.js';
import { msOfDuration, timestampOfMs } from '../../src/api/duration.js';
import { renderDifference, renderWarning } from '../../src/api/render.js';
import { ApiError } from '../../src/api/status.js';
import type { Resource } from '../../src/model/resource.js';
import type { FakeTable } from './fake-table.js';

/** What requests that change something have in common. */
export interface FakeWrite {
  readonly owner: string;
  readonly validateOnly: boolean;
  readonly confirmWithin: Duration__Output | null;
  readonly comment: string;
  readonly requestId: string;
}

interface Remembered {
  readonly entry: HistoryEntry & { readonly owner: string };
  readonly revision: number;
  readonly before: readonly Resource[];
}

interface Counts {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/** The history of a fake agent. Nothing is taken back by itself: tests say when time is over. */
export class FakeHistory {
  readonly #table: FakeTable;
  readonly #remembered: Remembered[] = [];
  readonly #unconfirmed = new Map<string, { readonly base: number; revision: number; readonly deadlineMs: number }>();

  constructor(table: FakeTable) {
    this.#table = table;
  }

  /**
   * Does what a request asks for and remembers it.
   *
   * @throws ApiError UNCONFIRMED, and what `change` throws.
   */
  write<Result extends Counts>(method: string, request: FakeWrite, change: () => Result) {
    const { owner, validateOnly, confirmWithin, comment, requestId } = request;
    const waiting = this.#unconfirmed.get(owner);
    if (waiting !== undefined && confirmWithin === null && !validateOnly && method !== 'Rollback') {
      throw new ApiError('UNCONFIRMED', `a change of '${owner}' waits for confirmation: confirm it, or roll it back`);
    }
    const before = this.#table.resourcesOf(owner);
    const { revision: base } = this.#table;
    const result = change();
    const { revision } = this.#table;
    if (revision === base || validateOnly) return { ...result, confirmDeadline: null };
    if (confirmWithin !== null) {
      const deadlineMs = Date.now() + msOfDuration(confirmWithin);
      this.#unconfirmed.set(owner, { base: waiting?.base ?? base, revision, deadlineMs });
    }
    const { added, changed, removed } = result;
    const counts = { added, changed, removed, canBeUndone: true };
    const time = timestampOfMs(Date.now());
    const entry = { revision: String(revision), time, owner, author: '', method, comment, requestId, ...counts };
    this.#remembered.unshift({ entry, revision, before });
    return { ...result, confirmDeadline: this.#deadlineOf(owner) };
  }

  confirm(owner: string): ConfirmResponse {
    const waiting = this.#unconfirmed.get(owner);
    if (waiting === undefined) throw new ApiError('NOT_FOUND', `no change of '${owner}' waits for confirmation`);
    this.#unconfirmed.delete(owner);
    return { revision: String(waiting.revision) };
  }

  rollback(request: RollbackRequest__Output, expectedRevision: number | undefined): RollbackResponse {
    const { owner, validateOnly, strict } = request;
    const own = this.#remembered.filter(({ entry }) => entry.owner === owner);
    const waiting = this.#unconfirmed.get(owner);
    const [last] = own;
    if (last === undefined) throw new ApiError('HISTORY_LOST', `no change of '${owner}' is known`);
    const target = Number(request.toRevision) || (waiting?.base ?? last.revision - 1);
    const oldest = own.filter(({ revision }) => revision > target).at(-1);
    const wanted = oldest?.before ?? this.#table.resourcesOf(owner);
    const { differences, warnings, added, changed, removed, confirmDeadline } = this.write('Rollback', request, () =>
      this.#table.replace(owner, wanted, { validateOnly, strict, expectedRevision }),
    );
    if (!validateOnly && request.confirmWithin === null) this.#unconfirmed.delete(owner);
    return {
      ...{ revision: String(this.#table.revision), added, changed, removed, restoredRevision: String(target) },
      differences: validateOnly ? differences.map(renderDifference) : [],
      warnings: warnings.map(renderWarning),
      confirmDeadline,
    };
  }

  /** The newest first. */
  list(owner: string, limit: number): HistoryEntry[] {
    const entries = this.#remembered
      .filter(({ entry }) => owner === '' || entry.owner === owner)
      .map(({ entry, revision }) => {
        const waits = revision > (this.#unconfirmed.get(entry.owner)?.base ?? Infinity);
        return { ...entry, confirmDeadline: waits ? this.#deadlineOf(entry.owner) : null };
      });
    return limit === 0 ? entries : entries.slice(0, limit);
  }

  #deadlineOf(owner: string) {
    const waiting = this.#unconfirmed.get(owner);
    return waiting === undefined ? null : timestampOfMs(waiting.deadlineMs);
  }
}
