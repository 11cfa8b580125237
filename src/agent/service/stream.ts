import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { ApiError } from '../../api/status.js';
import { LISTS_MAX, LISTS_PER_CALLER_MAX, LIST_STALL_MS } from '../../model/limits.js';
import type { ServerWritableStream } from '@grpc/grpc-js';

/** Lists that are being sent, so that those which nobody reads cannot fill the agent's memory. */
export class ListSlots {
  #taken = 0;
  /** By identity of a gateway's callers: none of them keeps the others out. */
  readonly #takenBy = new Map<string, number>();

  /**
   * Runs the work of one list.
   *
   * @param author the identity of the caller; empty for one of this host, who is bounded by all alone
   * @throws ApiError RESOURCE_LIMIT if too many are under way.
   */
  async run(author: string, work: () => Promise<void>): Promise<void> {
    const takenBy = this.#takenBy.get(author) ?? 0;
    if (this.#taken >= LISTS_MAX) throw tooMany(LISTS_MAX, 'lists are');
    if (author !== '' && takenBy >= LISTS_PER_CALLER_MAX) throw tooMany(LISTS_PER_CALLER_MAX, `lists of ${author} are`);
    this.#taken++;
    this.#takenBy.set(author, takenBy + 1);
    try {
      await work();
    } finally {
      this.#taken--;
      this.#leave(author);
    }
  }

  #leave(author: string): void {
    const left = (this.#takenBy.get(author) ?? 0) - 1;
    if (left > 0) this.#takenBy.set(author, left);
    else this.#takenBy.delete(author);
  }
}

function tooMany(limit: number, which: string): ApiError {
  return new ApiError('RESOURCE_LIMIT', `${limit} ${which} being read, which is the limit: try again in a moment`);
}

/**
 * Writes messages at the pace of the reader, each made when it can be sent, and lets other work in between. Ends the call
 * when all are written; stops when the reader goes away.
 *
 * @throws ApiError RESOURCE_LIMIT if the reader takes nothing for too long.
 */
export async function writeAll<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  messages: Iterable<Message>,
  stallMs = LIST_STALL_MS,
): Promise<void> {
  for (const message of messages) {
    await write(call, message, stallMs);
    if (call.cancelled) return;
  }
  if (!call.cancelled) call.end();
}

async function write<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  message: Message,
  stallMs: number,
): Promise<void> {
  if (call.cancelled) return;
  if (call.write(message)) {
    await setImmediate();
    return;
  }
  const gone = new AbortController();
  const onCancelled = () => {
    gone.abort();
  };
  const stall = AbortSignal.timeout(stallMs);
  call.once('cancelled', onCancelled);
  try {
    await once(call, 'drain', { signal: AbortSignal.any([gone.signal, stall]) });
  } catch (error) {
    if (gone.signal.aborted) return;
    if (!stall.aborted) throw error;
    throw new ApiError('RESOURCE_LIMIT', `the list was not read for ${stallMs / 1_000} s: list again, and read on`);
  } finally {
    call.off('cancelled', onCancelled);
  }
}
