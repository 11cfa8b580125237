// Calls of the API as a fast client makes them.
import type { ApplyRequest } from '../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { ApplyResponse__Output } from '../src/api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import type { ReplaceResponse__Output } from '../src/api/generated/mcroute/v1/ReplaceResponse.js';
import type { Resource } from '../src/api/generated/mcroute/v1/Resource.js';
import { type AgentConnection, deadlineAfter, messages, unary } from '../src/api/client.js';
import { puts } from './routes.js';

export type Client = AgentConnection['client'];

export const OWNER = 'bench';

/** Half a million routes, on a loaded machine. */
const CALL_LIMIT_MS = 300_000;

/** Changes of one Apply, and resources of one message of Replace. */
export const BATCH = 1_000;

/** A fast client wants to know what is amiss, and of the rest how much there is. */
export const VIEW = 'RESULT_VIEW_NOTABLE';

/** Batches that are on their way at once. */
export const BATCHES_AHEAD = 4;

export function apply(client: Client, request: ApplyRequest): Promise<ApplyResponse__Output> {
  const deadline = { deadline: deadlineAfter(CALL_LIMIT_MS) };
  return unary((callback) => client.Apply({ owner: OWNER, ...request }, deadline, callback));
}

/**
 * Applies changes in batches, some of them on their way at once. Returns when every one has been answered, and is well.
 *
 * @param table a gateway wants to know it; agents know theirs.
 */
export async function applyAll(client: Client, changes: readonly Change[], table = 0): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < changes.length) {
      const batch = changes.slice(next, next + BATCH);
      next += batch.length;
      const { results, added, changed, removed, unchanged } = await apply(client, {
        table,
        changes: batch,
        results: VIEW,
      });
      const count = added + changed + removed + unchanged;
      if (count !== batch.length) throw new Error(`${count} of ${batch.length} changes were made`);
      if (results.length > 0) throw new Error(`something is amiss with ${results.length} of ${batch.length} changes`);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AHEAD }, work));
}

/** Puts routes, which are made on the way. */
export async function addRoutes(client: Client, count: number): Promise<void> {
  for (let first = 0; first < count; first += 50_000) {
    await applyAll(client, puts(first, Math.min(50_000, count - first)));
  }
}

/** Makes the owner's resources just these, in messages of a batch each, at the pace of the agent. */
export function replaceAll(
  client: Client,
  resources: readonly Resource[],
  owner = OWNER,
): Promise<ReplaceResponse__Output> {
  return unary((callback) => {
    const call = client.Replace({ deadline: deadlineAfter(CALL_LIMIT_MS) }, callback);
    let next = 0;
    const pump = () => {
      while (next < resources.length) {
        const first = next === 0;
        const batch = resources.slice(next, next + BATCH);
        next += batch.length;
        if (!call.write(first ? { owner, resources: batch } : { resources: batch })) {
          call.once('drain', pump);
          return;
        }
      }
      call.end();
    };
    if (resources.length === 0) call.write({ owner, resources: [] });
    pump();
  });
}

/** Lists everything with counters; gives how many entries came. */
export async function listAll(client: Client): Promise<number> {
  const call = client.List({ view: 'VIEW_FULL' }, { deadline: deadlineAfter(CALL_LIMIT_MS) });
  let entries = 0;
  for await (const message of messages(call)) entries += message.entries.length;
  return entries;
}
