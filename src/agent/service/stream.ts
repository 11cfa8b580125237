import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { ServerWritableStream } from '@grpc/grpc-js';

/** Items of one message of a list. */
const ITEMS_PER_MESSAGE = 500;

/**
 * Writes items in messages of a bounded size at the pace of the reader, and lets other work in between. Ends the call
 * when all are written; stops when the reader goes away.
 */
export async function writeAll<Item, Message>(
  call: ServerWritableStream<unknown, Message>,
  items: Iterable<Item>,
  toMessage: (items: readonly Item[]) => Message,
  { sendsEmpty }: { readonly sendsEmpty: boolean },
): Promise<void> {
  let batch: Item[] = [];
  let isFirst = true;
  for (const item of items) {
    batch.push(item);
    if (batch.length < ITEMS_PER_MESSAGE) continue;
    await write(call, toMessage(batch));
    if (call.cancelled) return;
    batch = [];
    isFirst = false;
  }
  if (batch.length > 0 || (isFirst && sendsEmpty)) await write(call, toMessage(batch));
  if (!call.cancelled) call.end();
}

async function write<Message>(call: ServerWritableStream<unknown, Message>, message: Message): Promise<void> {
  if (call.cancelled) return;
  if (call.write(message)) {
    await setImmediate();
    return;
  }
  const gone = new AbortController();
  const onCancelled = () => {
    gone.abort();
  };
  call.once('cancelled', onCancelled);
  try {
    await once(call, 'drain', { signal: gone.signal });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    call.off('cancelled', onCancelled);
  }
}
