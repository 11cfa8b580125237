// When the gateway closes connections that Node would keep: over real sockets, at times that the tests choose.
import assert from 'node:assert/strict';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BufferBudget } from '../../src/gateway/buffer-budget.js';
import { Connection } from '../../src/gateway/connection.js';
import { IdentityLimits } from '../../src/gateway/limits.js';
import { OwnServer } from '../../src/gateway/own-server.js';
import { RefusalRate } from '../../src/gateway/refusal-rate.js';
import { Servers } from '../../src/gateway/servers.js';
import { Upstreams } from '../../src/gateway/upstreams.js';
import { Health } from '../../src/api/standard-services.js';
import { FRAME, PREFACE, callFrame, http2Frame, resetFrame, settingsFrame, streamId } from '../support/http2-frames.js';
import { eventually, waitForEvent, within } from '../support/wait.js';

const LIST = '/mcroute.v1.RoutingService/List';

/** The gateway looks at its connections each second. */
const SWEEP_MS = 1_000;

let server: Server;
let client: Socket;
/** The gateway's end of it. */
let socket: Socket;
let connection: Connection;
let upstreams: Upstreams;
let own: OwnServer;
let abuses: string[];
let closed: number;

beforeEach(async () => {
  abuses = [];
  closed = 0;
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = waitForEvent<Socket>(server, 'connection');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  socket = await accepted;
  upstreams = new Upstreams();
  own = new OwnServer(new Health());
  connection = connectionOf(socket);
});
afterEach(() => {
  client.destroy();
  connection.destroy();
  upstreams.close();
  own.stop();
  server.close();
});

function connectionOf(end: Socket): Connection {
  const now = () => performance.now();
  const context = {
    policy: () => ({ rules: [] }),
    limits: new IdentityLimits({ writesPerSecond: 0, writeBurst: 0, streamsPerIdentity: 0 }, now),
    resourcesPerOwner: () => 0,
    streamsPerIdentity: () => 0,
    servers: new Servers('/nowhere', upstreams, own),
    budget: new BufferBudget(1, 1),
    audit: { write: () => undefined },
    refusalRate: new RefusalRate(now),
    onCall: () => undefined,
    onAbuse: (_: Connection, what: string) => {
      abuses.push(what);
    },
  };
  const peer = { identity: 'me', subjects: ['me'], address: '192.0.2.1:1' };
  return new Connection(end, { peer, validToMs: undefined }, context, () => {
    closed++;
  });
}

/** A connection of a client that takes nothing at all: a write never ends. */
async function connectDeaf(): Promise<{ end: Duplex; connection: Connection }> {
  let isWriting = false;
  const end = new Duplex({
    read: () => undefined,
    write: () => {
      isWriting = true;
    },
  });
  const deaf = connectionOf(end as unknown as Socket);
  end.push(Buffer.concat([PREFACE, settingsFrame()]));
  await eventually(() => (isWriting ? true : undefined), 'it writes');
  return { end, connection: deaf };
}

/** Sends the bytes, and waits until the gateway has read them all. */
async function send(...bytes: Buffer[]): Promise<void> {
  const count = socket.bytesRead + bytes.reduce((sum, { length }) => sum + length, 0);
  client.write(Buffer.concat(bytes));
  await eventually(() => (socket.bytesRead >= count ? true : undefined), 'it has read them');
}

/** Looks at the connection as often as the gateway would in so many seconds. */
async function sweepFor(seconds: number): Promise<void> {
  const start = performance.now();
  for (let count = 1; count <= seconds; count++) {
    connection.sweep(start + count * SWEEP_MS);
    // In which pings are sent and answers are read.
    for (let turns = 0; turns < 10; turns++) await turn();
  }
}

describe('a connection', () => {
  it('of a client that answers stays', async () => {
    await send(PREFACE, settingsFrame());
    client.on('data', (chunk: Buffer) => {
      // It answers a ping that is the last frame of what has come.
      const frame = chunk.subarray(-17);
      if (frame[3] !== FRAME.PING) return;
      client.write(http2Frame({ type: FRAME.PING, flags: 1, payload: frame.subarray(9) }));
    });
    await sweepFor(120);
    assert.equal(closed, 0);
    assert.ok(!socket.destroyed);
  });

  it('of a client that answers no ping closes, though not at once', async () => {
    await send(PREFACE, settingsFrame());
    client.resume();
    await sweepFor(24);
    assert.ok(!socket.destroyed);
    await sweepFor(30);
    await within(connection.closed, 'it is closed');
  });

  it('whose session nghttp2 has ended closes soon after the next ping', async () => {
    // What breaks the protocol is answered with GOAWAY, and then Node reads nothing more.
    await send(PREFACE, settingsFrame(), http2Frame({ type: FRAME.DATA, stream: 1, payload: Buffer.alloc(1) }));
    client.resume();
    await sweepFor(7);
    await within(connection.closed, 'it is closed');
    assert.equal(closed, 1);
  });

  it('whose last frames are never taken closes all the same', async () => {
    const { end, connection: deaf } = await connectDeaf();
    deaf.destroy();
    await within(deaf.closed, 'it is closed');
    assert.ok(end.destroyed);
  });

  it('ends when its client begins calls and cancels them, again and again', async () => {
    client.resume();
    const calls = Array.from({ length: 600 }, (_, n) => [callFrame(streamId(n), LIST), resetFrame(streamId(n))]);
    client.write(Buffer.concat([PREFACE, settingsFrame(), ...calls.flat()]));
    await within(connection.closed, 'it is closed');
    assert.deepEqual(abuses, ['it began calls and cancelled them, again and again']);
  });

  it('ends when its client sends many frames that say nothing', async () => {
    client.resume();
    const updates = Buffer.concat(
      new Array<Buffer>(100_000).fill(http2Frame({ type: FRAME.WINDOW_UPDATE, payload: Buffer.of(0, 0, 0, 1) })),
    );
    await send(PREFACE, settingsFrame(), updates);
    await sweepFor(1);
    assert.deepEqual(abuses, []);
    for (let count = 0; count < 4; count++) await send(updates);
    await sweepFor(1);
    assert.deepEqual(abuses, ['it sent a flood of frames that say nothing']);
  });
});
