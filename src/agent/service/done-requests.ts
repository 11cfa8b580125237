// Requests that were done, by the ids that their clients gave them: a repeated one is answered and not done again.
import { ApiError } from '../../api/status.js';
import type { Effect } from '../../model/change.js';
import { REPEATABLE_REQUESTS_MAX } from '../../model/limits.js';
import type { SafeChanges } from '../history/safe-changes.js';

/** A request that was done. */
export interface DoneRequest {
  readonly revision: bigint;
  readonly effects: Readonly<Record<Effect, number>>;
  /** Of a roll-back. */
  readonly restoredRevision: bigint | undefined;
}

/** Which request it is. */
export interface RequestIdentity {
  readonly owner: string;
  /** Empty: the client has given none. */
  readonly requestId: string;
  readonly requestDigest: string;
}

export class DoneRequests {
  readonly #changes: SafeChanges;
  readonly #settled: () => Promise<void>;
  /** Those that changed nothing, and so are not in the history; the least recently used first. */
  readonly #withoutEffect = new Map<string, DoneRequest & { readonly requestDigest: string }>();

  constructor(changes: SafeChanges, settled: () => Promise<void>) {
    this.#changes = changes;
    this.#settled = settled;
  }

  /**
   * Answers a request that was done and lasts by `repeat`, and has any other done by `run`. That begins at once: nothing
   * comes between finding that the request is a new one and what makes it known.
   *
   * @throws ApiError INVALID_FIELD if another request had the id; StorageError if the first one could not be saved; what
   *   `run` throws.
   */
  async once<Answer>(
    request: RequestIdentity,
    repeat: (done: DoneRequest) => Answer,
    run: () => Promise<Answer>,
  ): Promise<Answer> {
    while (this.#known(request) !== undefined) {
      await this.#settled();
      const known = this.#known(request);
      if (known !== undefined) return repeat(known);
      // It was taken back, as one that could not be saved; another one like it may have come first.
    }
    return run();
  }

  /** Remembers a request that may have changed nothing. */
  note({ owner, requestId, requestDigest }: RequestIdentity, done: DoneRequest): void {
    if (requestId === '' || this.#changes.history.find(owner, requestId) !== undefined) return;
    this.#withoutEffect.set(nameOf(owner, requestId), { ...done, requestDigest });
    for (const oldest of this.#withoutEffect.keys()) {
      if (this.#withoutEffect.size <= REPEATABLE_REQUESTS_MAX) return;
      this.#withoutEffect.delete(oldest);
    }
  }

  #known({ owner, requestId, requestDigest }: RequestIdentity): DoneRequest | undefined {
    if (requestId === '') return undefined;
    const known = this.#changes.history.find(owner, requestId) ?? this.#withoutEffect.get(nameOf(owner, requestId));
    if (known === undefined || known.requestDigest === requestDigest) return known;
    const description = `'${requestId}' was the id of another request of '${owner}': give each its own`;
    throw new ApiError('INVALID_FIELD', `request_id: ${description}`, {
      violations: [{ field: 'request_id', description }],
    });
  }
}

function nameOf(owner: string, requestId: string): string {
  return `${owner} ${requestId}`;
}
