// Clients that ask for much through the gateway and do not read it, or let nothing be sent: neither the gateway nor the agent
// keeps it for them, and the others are served meanwhile.
import assert from 'node:assert/strict';
import type { ClientHttp2Stream } from 'node:http2';
import { after, before, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import { routingDefinition } from '../../src/api/load.js';
import { LISTS_PER_CALLER_MAX, WATCHERS_PER_CALLER_MAX } from '../../src/model/limits.js';
import { apply, list, put, replace, route } from '../support/calls.js';
import type { Issued } from '../support/certificates.js';
import { HostileClient, HostileClients } from '../support/hostile-client.js';
import { HostileCalls, grpcMessage } from '../support/hostile-calls.js';
import { HostileSite, TABLE, TLS_DOOR } from '../support/hostile-site.js';
import { END_STREAM, FRAME, callFrame, http2Frame, streamId } from '../support/http2-frames.js';
import { waitForEvent } from '../support/wait.js';

/** Rules that wait for an interface, and rules that are in the kernel. A list of either is more than all buffers on the way hold. */
const WAITING = 10_000;
const INSTALLED = 20_000;

/** Rules that change, and how often: as events for each of the watches they would be 400 MB and more. */
const CHANGED = 5_000;
const ROUNDS = 20;

/** What each of the identities leaves unread: as many lists, half of each kind, and watches as it may have. */
const LISTS_OF_EACH = LISTS_PER_CALLER_MAX / 2;
const WATCHES = WATCHERS_PER_CALLER_MAX;
const SESSIONS = 4;

/** What a session does, with a result for each change. */
const BATCHES = 20;
const CHANGES_PER_BATCH = 500;

/** Connections that take nothing, of each kind and identity, and calls on each. */
const SHUT_CONNECTIONS = 2;
const SHUT_WATCHES = WATCHERS_PER_CALLER_MAX / (2 * SHUT_CONNECTIONS);

/** The setting of the window of a new stream (RFC 9113, 6.5.2). */
const INITIAL_WINDOW_SIZE = 4;

/**
 * Growth of the agent's memory, in MiB, that says nothing: the keys of each watch and the entries of each list, of which both
 * there are only so many, and garbage. 200 were seen.
 */
const GROWTH_MIB = 384;

const SERVICE = '/mcroute.v1.RoutingService';
const WATCH = `${SERVICE}/Watch`;

/** A request of a table, which is for all of it. */
const ALL = grpcMessage(Buffer.of(8, TABLE));

let site: HostileSite;

before(async () => {
  site = await HostileSite.start();
  const resources = [...waiting(WAITING), ...installed()].map((mroute) => ({ mroute }));
  await replace(site.serving.client, [{ owner: 'test', resources }]);
  // What a list and a change need is in the memory before anything is measured.
  await list(site.serving.client);
  await changeMany('before');
});
after(async () => {
  await replace(site.serving.client, [{ owner: 'test' }]);
  await site.finish();
});

function groupOf(net: number, n: number): string {
  return `239.${net}.${n >> 8}.${n & 255}`;
}

/** Rules of which the kernel hears nothing. */
function waiting(count: number, label = ''): Mroute[] {
  return Array.from({ length: count }, (_, n) => ({
    key: { iif: 'no-such', group: groupOf(1, n) },
    oifs: [{ interface: 'out1' }],
    label,
  }));
}

/** Rules that name their source: each is an entry of the kernel. */
function installed(): Mroute[] {
  return Array.from({ length: INSTALLED }, (_, n) =>
    route(groupOf(2, n), { key: { iif: 'in0', source: '10.0.0.9', group: groupOf(2, n) } }),
  );
}

async function changeMany(label: string): Promise<void> {
  for (let round = 1; round <= ROUNDS; round++) {
    await apply(site.serving.client, { changes: waiting(CHANGED, `${label} ${round}`).map(put) });
  }
}

it('what is not read is kept by nobody, and the others are served', async () => {
  const { serving } = site;
  const memoryMib = serving.residentMib;
  await site.withstand(async () => {
    using clients = new HostileClients();
    const readers: UnreadCalls[] = [];
    try {
      for (const [n, name] of ['b', 'c'].entries()) {
        const hostile = await site.hostileCalled(name);
        readers.push(await UnreadCalls.begin(hostile, n));
      }
      for (const name of ['d', 'e']) await shutOut(clients, await site.hostileCalled(name));
      await changeMany('unread');
      for (const reader of readers) await reader.assertStalled();
    } finally {
      for (const reader of readers) reader[Symbol.dispose]();
    }
  });
  const growthMib = serving.residentMib - memoryMib;
  assert.ok(growthMib < GROWTH_MIB, `the agent had ${memoryMib} MiB, and has ${growthMib} more`);
});

/** Calls of one identity whose answers it does not read. */
class UnreadCalls implements Disposable {
  readonly #calls: HostileCalls;
  readonly #lists: ClientHttp2Stream[] = [];

  private constructor(calls: HostileCalls) {
    this.#calls = calls;
  }

  /** Resolves when all of them have begun to be answered. */
  static async begin(identity: Issued, number: number): Promise<UnreadCalls> {
    const unread = new UnreadCalls(await HostileCalls.open(TLS_DOOR, { tls: identity }));
    for (const path of [`${SERVICE}/List`, `${SERVICE}/ListMfc`]) {
      for (let n = 0; n < LISTS_OF_EACH; n++) unread.#lists.push(await unread.#begin(path, ALL));
    }
    for (let n = 0; n < WATCHES; n++) await unread.#begin(WATCH, ALL);
    for (let n = 0; n < SESSIONS; n++) {
      const owner = `unread-${number}-${n}`;
      await unread.#begin(`${SERVICE}/Modify`, sessionOf(owner, 10 + number * SESSIONS + n));
    }
    return unread;
  }

  /** They go no further, so that the identity may not have more; what is read meanwhile is answered. */
  async assertStalled(): Promise<void> {
    for (const stream of this.#lists) assert.ok(!stream.closed, 'a list has come to its end');
    for (const name of ['List', 'ListMfc', 'Watch']) {
      const { code, message } = await this.#calls.call(`${SERVICE}/${name}`, ALL);
      assert.equal(code, status.RESOURCE_EXHAUSTED, name);
      assert.match(message, /spiffe/);
    }
    assert.equal((await this.#calls.call(`${SERVICE}/GetCapabilities`, ALL)).code, status.OK);
  }

  /** Begins a call; nothing is read of it but the headers. */
  async #begin(path: string, bytes: Buffer): Promise<ClientHttp2Stream> {
    const stream = this.#calls.begin(path);
    stream.end(bytes);
    await waitForEvent(stream, 'response', () => true, ANSWER_LIMIT_MS);
    return stream;
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

/** Longest time until an answer begins, in ms, while all of the others begin. */
const ANSWER_LIMIT_MS = 30_000;

/** All messages of a session that changes its rules again and again. */
function sessionOf(owner: string, net: number): Buffer {
  const { Modify } = routingDefinition();
  const changes = (label: string): Change[] =>
    Array.from({ length: CHANGES_PER_BATCH }, (_, n) => ({
      id: n + 1,
      put: { mroute: { key: { iif: 'no-such', group: groupOf(net, n) }, oifs: [{ interface: 'out1' }], label } },
    }));
  const batches = Array.from({ length: BATCHES }, (_, n) => ({ changes: { changes: changes(`batch ${n}`) } }));
  const requests = [{ table: TABLE, session: { owner } }, ...batches];
  return Buffer.concat(requests.map((request) => grpcMessage(Modify.requestSerialize(request))));
}

/** Watches on connections with windows that stay shut, and on those from whose sockets nothing is taken. */
async function shutOut(clients: HostileClients, tls: Issued): Promise<void> {
  const calls = Array.from({ length: SHUT_WATCHES }, (_, n) => {
    const stream = streamId(n);
    return [callFrame(stream, WATCH), http2Frame({ type: FRAME.DATA, flags: END_STREAM, stream, payload: ALL })];
  });
  for (let n = 0; n < SHUT_CONNECTIONS; n++) {
    const settings = new Map([[INITIAL_WINDOW_SIZE, 0]]);
    const shut = clients.add(await HostileClient.openHttp2(TLS_DOOR, { tls, settings }));
    await shut.send(Buffer.concat(calls.flat()));
    const deaf = clients.add(await HostileClient.openHttp2(TLS_DOOR, { tls, isDeaf: true }));
    await deaf.send(Buffer.concat(calls.flat()));
  }
}
