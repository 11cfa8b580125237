import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { ApiError } from '../../api/status.js';
import { LIST_STALL_MS } from '../../model/limits.js';
import type { ServerWritableStream } from '@grpc/grpc-js';

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
