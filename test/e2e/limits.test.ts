// At each limit: what is over it is told so, and nobody else notices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http2';
import { type Socket, connect } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { connectToSocket } from '../../src/api/client.js';
import { ApiError, fromServiceError } from '../../src/api/status.js';
import { type Client, apply, callWithBytes, list, put, refused, replace } from '../support/calls.js';
import { RawConnection } from '../support/raw-connection.js';
import { ServingAgent } from '../support/unharmed.js';
import { eventually, waitForEvent, within } from '../support/wait.js';

/** Growth of the agent's memory, in MiB, that says nothing: garbage that has not been collected, buffers in use. */
const GROWTH_MIB = 96;

const MESSAGE_MAX = 16 * 1024 * 1024;

let serving: ServingAgent;

before(async () => {
  serving = await ServingAgent.start(204);
});

after(async () => {
  await serving.assertNothingLost();
  await serving[Symbol.asyncDispose]();
});

afterEach(async () => {
  await replace(serving.client, [{ owner: 'test' }]);
  await serving.assertUnharmed();
});

/** Rules with different groups, all of which wait for an interface; so the kernel's part costs nothing. */
function waiting(count: number, label = ''): Mroute[] {
  return Array.from({ length: count }, (_, n) => ({
    key: { iif: 'no-such', group: `239.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` },
    oifs: [{ interface: 'out1' }],
    label,
  }));
}

describe('interfaces of a table', () => {
  it('32 forward; the 33rd waits with VIF_LIMIT, and is served as soon as one is free', async () => {
    const { router } = serving.topology;
    const names = Array.from({ length: 32 }, (_, n) => `many${n}`);
    const { netns } = serving.topology.receiver(2).namespace;
    router.ip(...names.map((name) => `link add ${name} type veth peer name ${name} netns ${netns}`));
    // Without a link-local address the kernel sends nothing of its own there, which would be counted too.
    const begin = names.flatMap((name) => [`link set ${name} addrgenmode none`, `link set ${name} up`]);
    serving.topology.receiver(2).namespace.ip(...begin);
    router.ip(...begin);
    // in0 and out1 have a vif each in both families: 30 of the 32 find one, many30 and many31 do not.
    const rule = (name: string, group: string) => put({ key: { iif: 'in0', group }, oifs: [{ interface: name }] });
    const groupOf = (n: number) => [`239.3.0.${n}`, `ff1e::3:${n}`];
    const changes = names.flatMap((name, n) => groupOf(n).map((group) => rule(name, group)));
    const { results } = await apply(serving.client, { changes });
    const states = results.map(({ entry }) => entry?.state);
    assert.deepEqual(states.slice(0, 60), Array(60).fill('STATE_PROGRAMMED'));
    assert.deepEqual(states.slice(60), Array(4).fill('STATE_PENDING'));
    for (const { entry } of results.slice(60)) {
      assert.equal(entry?.missing[0]?.reason, 'VIF_LIMIT');
      assert.match(entry.missing[0].text, /32/);
    }
    const sent = () => {
      const links = router.ipJson('-s link show') as readonly LinkStatistics[];
      return names.map((name) => links.find(({ ifname }) => ifname === name)?.stats64.tx.packets ?? 0);
    };
    const before = sent();
    await serving.sendOnce([...groupOf(0), ...groupOf(29), ...groupOf(30)]);
    await eventually(() => (delta(sent(), before)[29] ?? 0) >= 2 || undefined, 'packets out of the 32nd interface');
    assert.ok((delta(sent(), before)[0] ?? 0) >= 2);
    assert.equal(delta(sent(), before)[30], 0);

    const remove = groupOf(7).map((group): Change => ({ delete: { mroute: { iif: 'in0', group } } }));
    await apply(serving.client, { changes: remove });
    const { entries } = await list(serving.client, { filter: { owner: 'test', interface: 'many30' } });
    assert.deepEqual(
      entries.map(({ state }) => state),
      ['STATE_PROGRAMMED', 'STATE_PROGRAMMED'],
    );
    const again = sent();
    await serving.sendOnce(groupOf(30));
    await eventually(() => (delta(sent(), again)[30] ?? 0) >= 2 || undefined, 'packets out of the freed vif');
    assert.equal(delta(sent(), again)[7], 0, 'the interface whose number it was gets nothing');
    router.ip(...names.map((name) => `link delete ${name}`));
  });
});

/** What `ip -s -json link show` says. */
interface LinkStatistics {
  readonly ifname: string;
  readonly stats64: { readonly tx: { readonly packets: number } };
}

function delta(now: readonly number[], before: readonly number[]): number[] {
  return now.map((value, index) => value - (before[index] ?? 0));
}

describe('the size of a message', () => {
  /** Owner, and a field that does not exist to fill it up. */
  function messageOf(bytes: number): Buffer {
    const owner = Buffer.from([0x12, 4, ...Buffer.from('test')]);
    const header = Buffer.from([0xc2, 0x3e, 0, 0, 0, 0, 0]);
    const rest = bytes - owner.length - header.length;
    for (let i = 0; i < 5; i++) header[2 + i] = ((rest >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
    return Buffer.concat([owner, header, Buffer.alloc(rest, 1)]);
  }

  it('of 16 MiB is taken', async () => {
    const reply = await callWithBytes(serving.client, 'Apply', messageOf(MESSAGE_MAX));
    assert.ok(reply.length > 0);
  });

  it('of one byte more is MESSAGE_TOO_LARGE', async () => {
    const error = await refused(
      callWithBytes(serving.client, 'Apply', messageOf(MESSAGE_MAX + 1)),
      'MESSAGE_TOO_LARGE',
    );
    assert.match(error.message, /16777217 vs 16777216/);
  });

  it('that says it is 4 GiB is refused at once, without the room for it', async () => {
    const before = serving.residentMib;
    using connection = await RawConnection.open(serving.agent.socketPath);
    const call = connection.call('Apply');
    const headers = waitForEvent<IncomingHttpHeaders>(call, 'response');
    call.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    assert.equal((await headers)['grpc-status'], String(status.RESOURCE_EXHAUSTED));
    assert.ok(serving.residentMib - before < GROWTH_MIB);
  });
});

describe('the changes of an Apply', () => {
  it('are 100,000; one more is RESOURCE_LIMIT', async () => {
    const changes = waiting(100_001).map(({ key }): Change => ({ delete: { mroute: key ?? null } }));
    const error = await refused(apply(serving.client, { changes }), 'RESOURCE_LIMIT');
    assert.match(
      error.message,
      /100001 changes are more than the 100000 of one Apply: use Replace, or several Applies/,
    );
    const { results } = await apply(serving.client, { changes: changes.slice(1) });
    assert.equal(results.length, 100_000);
  });

  it('of a Replace may all be in one message', async () => {
    const resources = Array.from({ length: 300_000 }, () => ({ interface: { key: { name: 'x' } } }));
    const reply = await replace(serving.client, [{ owner: 'test', resources, validateOnly: true }]);
    assert.equal(reply.added, 1);
  });
});

describe('watches', () => {
  it('are 256; one more is RESOURCE_LIMIT, until one ends', async () => {
    using connection = connectToSocket(serving.agent.socketPath);
    const watches = Array.from({ length: 256 }, () => openWatch(connection.client));
    await Promise.all(watches.map(({ synced }) => within(synced, 'synced')));
    const over = await refused(openWatch(connection.client).synced, 'RESOURCE_LIMIT');
    assert.match(over.message, /256 watches are open, which is the limit: end one/);
    watches[17]?.stream.cancel();
    await eventually(async () => {
      const { stream, synced } = openWatch(connection.client);
      try {
        await synced;
        return true;
      } catch (error) {
        if (error instanceof ApiError && error.reason === 'RESOURCE_LIMIT') return undefined;
        throw error;
      } finally {
        stream.cancel();
      }
    }, 'a watch in the place of the one that ended');
    for (const { stream } of watches) stream.cancel();
  });
});

interface OpenWatch {
  readonly stream: ClientReadableStream<WatchResponse__Output>;
  /** Settles with the event `synced`, or with the error that ends the watch before. */
  readonly synced: Promise<void>;
}

function openWatch(client: Client): OpenWatch {
  const stream = client.Watch({});
  const synced = new Promise<void>((resolve, reject) => {
    stream.on('data', (message: WatchResponse__Output) => {
      if (message.events.some(({ event }) => event === 'synced')) resolve();
    });
    stream.on('error', (error) => {
      reject(fromServiceError(error as ServiceError));
    });
  });
  // One that is cancelled in the end has nobody who waits for it.
  synced.catch(() => undefined);
  return { stream, synced };
}

describe('connections', () => {
  const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const withPreface = (...frames: readonly (readonly number[])[]) =>
    Buffer.concat([Buffer.from(PREFACE), SETTINGS, ...frames.map((frame) => Buffer.from(frame))]);
  const garbage: Record<string, Buffer> = {
    'garbage bytes': Buffer.alloc(65_536, 0xa5),
    'a request of HTTP/1.1': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    'the preface, then garbage': Buffer.concat([Buffer.from(PREFACE), Buffer.alloc(4_096, 0xff)]),
    'a frame larger than agreed': withPreface([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
    'data on a stream that is not open': withPreface([0, 0, 1, 0, 0, 0, 0, 0, 1, 0]),
    'headers that cannot be decoded': withPreface([0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
  };
  for (const [what, bytes] of Object.entries(garbage)) {
    it(`that send ${what} are told so, or closed`, async () => {
      const socket = connect(serving.agent.socketPath);
      socket.on('error', () => undefined);
      socket.write(bytes);
      await within(readToGoaway(socket), 'GOAWAY, or the end of the connection');
      socket.destroy();
    });
  }

  it('that send half a preface are in nobody’s way, and neither are 200 idle ones', async () => {
    const sockets = Array.from({ length: 200 }, () => connect(serving.agent.socketPath));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    for (const socket of sockets.slice(0, 50)) socket.write(PREFACE.slice(0, 12));
    for (const socket of sockets.slice(50, 100)) socket.write(withPreface());
    using connection = connectToSocket(serving.agent.socketPath);
    assert.equal((await list(connection.client, { filter: { owner: 'bystander' } })).entries.length, 2);
    for (const socket of sockets) socket.destroy();
  });
});

/** Reads frames up to one of type GOAWAY (RFC 9113 section 6.8), or to the end. */
async function readToGoaway(socket: Socket): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= FRAME_HEADER_BYTES) {
      if (rest[3] === GOAWAY) return;
      rest = rest.subarray(FRAME_HEADER_BYTES + rest.readUIntBE(0, 3));
    }
  }
}

const FRAME_HEADER_BYTES = 9;
const GOAWAY = 7;
