import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { ApiError } from '../../api/status.js';
import { LISTS_MAX, LIST_STALL_MS } from '../../model/limits.js';

/** Items of one message of a list. */
const ITEMS_PER_MESSAGE = 500;

/** Lists that are being sent, so that those which nobody reads cannot fill the agent's memory. */
export class ListSlots {
  #taken = 0;

  /**
   * Runs the work of one list.
   *
   * @throws ApiError RESOURCE_LIMIT if too many are under way.
   */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#taken >= LISTS_MAX) {
      throw new ApiError(
        'RESOURCE_LIMIT',
        `${LISTS_MAX} lists are being read, which is the limit: try again in a moment`,
      );
    }
    this.#taken++;
    try {
      await work();
    } finally {
      this.#taken--;
    }
  }
}

/**
 * Writes items in messages of a bounded size at the pace of the reader, and lets other work in between. Ends the call
 * when all are written; stops when the reader goes away.
 *
 * @throws ApiError RESOURCE_LIMIT if the reader takes nothing for too long.
 */
export async function writeAll<Item, Message>(
  call: ServerWritableStream<unknown, Message>,
  items: Iterable<Item>,
  toMessage: (items: readonly Item[]) => Message,
  { sendsEmpty, stallMs = LIST_STALL_MS }: { readonly sendsEmpty: boolean; readonly stallMs?: number },
): Promise<void> {
  let batch: Item[] = [];
  let isFirst = true;
  for (const item of items) {
    batch.push(item);
    if (batch.length < ITEMS_PER_MESSAGE) continue;
    await write(call, toMessage(batch), stallMs);
    if (call.cancelled) return;
    batch = [];
    isFirst = false;
  }
  if (batch.length > 0 || (isFirst && sendsEmpty)) await write(call, toMessage(batch), stallMs);
  if (!call.cancelled) call.end();
}

async function write<Message>(
  call: ServerWritableStream<unknown, Message>,
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
