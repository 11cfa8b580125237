// Calls of the API as tests make them, and what they are refused with.
import assert from 'node:assert/strict';
import type { ApplyRequest } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { ApplyResponse__Output } from '../../src/api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { ListRequest } from '../../src/api/generated/mcroute/v1/ListRequest.js';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import type { ReplaceRequest } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import type { ReplaceResponse__Output } from '../../src/api/generated/mcroute/v1/ReplaceResponse.js';
import { type AgentConnection, deadlineAfter, messages, unary } from '../../src/api/client.js';
import { ApiError, type Reason } from '../../src/api/status.js';

export type Client = AgentConnection['client'];

/** Longest call on a loaded machine. */
const CALL_LIMIT_MS = 30_000;

export function deadline(): { readonly deadline: Date } {
  return { deadline: deadlineAfter(CALL_LIMIT_MS) };
}

/** Applies changes of the owner `test`, unless the request names another. */
export function apply(client: Client, request: ApplyRequest): Promise<ApplyResponse__Output> {
  return unary((callback) => client.Apply({ owner: 'test', ...request }, deadline(), callback));
}

/** Sends the messages of a Replace and half-closes. */
export function replace(client: Client, requests: readonly ReplaceRequest[]): Promise<ReplaceResponse__Output> {
  return unary((callback) => {
    const call = client.Replace(deadline(), callback);
    for (const request of requests) call.write(request);
    call.end();
  });
}

/** A table as of one revision. */
export interface Listing {
  readonly revision: string;
  readonly entries: readonly Entry__Output[];
}

export async function list(client: Client, request: ListRequest = {}): Promise<Listing> {
  let revision = '';
  const entries: Entry__Output[] = [];
  for await (const message of messages(client.List(request, deadline()))) {
    revision = message.revision;
    entries.push(...message.entries);
  }
  return { revision, entries };
}

/** A call with bytes that no client of ours would send. */
export function callWithBytes(client: Client, method: string, bytes: Buffer): Promise<Buffer> {
  return unary((callback) =>
    client.makeUnaryRequest(
      `/mcroute.v1.RoutingService/${method}`,
      (request: Buffer) => request,
      (reply) => reply,
      bytes,
      deadline(),
      callback,
    ),
  );
}

/** The error of a call that must fail, and for this reason. */
export async function refused(call: Promise<unknown>, reason: Reason): Promise<ApiError> {
  const error = await call.then(
    () => assert.fail(`not refused, but should be with ${reason}`),
    (cause: unknown) => cause,
  );
  if (!(error instanceof ApiError)) throw error;
  assert.equal(error.reason, reason, error.message);
  return error;
}

/** A change that adds a rule. */
export function put(mroute: Mroute): Change {
  return { put: { mroute } };
}

/** A rule with one oif. */
export function route(group: string, more: Partial<Mroute> = {}): Mroute {
  return { key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }], ...more };
}
