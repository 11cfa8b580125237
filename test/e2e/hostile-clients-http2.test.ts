// Floods of HTTP/2 frames that say nothing, over every door of the gateway: it closes the connection, and serves the others.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HostileClient, HostileClients, type HostileOptions } from '../support/hostile-client.js';
import { HostileSite, TLS_DOOR } from '../support/hostile-site.js';
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  callFrame,
  callHeaders,
  headerBlock,
  http2Frame,
  resetFrame,
  settingsFrame,
  streamId,
  windowUpdateFrame,
} from '../support/http2-frames.js';

/** Bytes of a flood. */
const FLOOD_MAX = 64 * 1024 * 1024;

/** Connections at once. */
const CONNECTIONS = 32;

/** Kinds at once, of which each takes a while until the gateway has had enough. */
const FLOODS_AT_ONCE = 4;

/** Most memory that the gateway may ever have had, in kB: it has 60 MB when it has begun. */
const MEMORY_MAX_KB = 120 * 1024;

/** Lines of the audit, most of which are of the client that works. */
const LINES_MAX = 5_000;

/** Longest time until it has ended, when all is sent. */
const PATIENCE_MS = 30_000;

/** Calls of one connection that are begun and cancelled. */
const CANCELLED = 20_000;

const LIST = '/mcroute.v1.RoutingService/List';

const HEADERS = headerBlock(callHeaders(LIST));

interface Flood {
  /** What comes first. */
  readonly first?: Buffer;
  /** What comes again and again. */
  readonly again: Buffer;
  /** Bytes of it; as many as it takes, if left out. */
  readonly max?: number;
}

/** By what they are floods of. */
const FLOODS: Readonly<Record<string, () => Flood>> = {
  pings: () => ({ again: http2Frame({ type: FRAME.PING, payload: Buffer.alloc(8) }) }),
  settings: () => ({ again: settingsFrame() }),
  'settings with as many values as fit': () => ({
    again: http2Frame({ type: FRAME.SETTINGS, payload: Buffer.concat(new Array<Buffer>(2_000).fill(SETTING)) }),
  }),
  'window updates': () => ({ again: windowUpdateFrame(0, 1) }),
  'priorities of streams that do not exist': () => ({
    again: Buffer.concat(
      Array.from({ length: 1_000 }, (_, n) =>
        http2Frame({ type: FRAME.PRIORITY, stream: streamId(n), payload: Buffer.of(0, 0, 0, 0, 1) }),
      ),
    ),
  }),
  'frames of a type that does not exist': () => ({ again: http2Frame({ type: 0x42, payload: Buffer.alloc(8) }) }),
  'empty DATA': () => ({ first: callFrame(1, LIST), again: http2Frame({ type: FRAME.DATA, stream: 1 }) }),
  'CONTINUATION without an end': () => ({
    first: http2Frame({ type: FRAME.HEADERS, stream: 1, payload: HEADERS }),
    again: http2Frame({ type: FRAME.CONTINUATION, stream: 1, payload: headerBlock([['x', 'y'.repeat(100)]]) }),
  }),
  'empty CONTINUATION': () => ({
    first: http2Frame({ type: FRAME.HEADERS, stream: 1, payload: HEADERS }),
    again: http2Frame({ type: FRAME.CONTINUATION, stream: 1 }),
  }),
  'calls that are cancelled at once': () => cancelledCalls(Buffer.alloc(0)),
  'calls that are cancelled when they are complete': () => cancelledCalls(MESSAGE),
  'calls over the limit': () => ({
    again: Buffer.concat(Array.from({ length: CANCELLED }, (_, n) => callFrame(streamId(n), LIST))),
    max: 1,
  }),
  'empty calls': () => ({
    again: Buffer.concat(
      Array.from({ length: CANCELLED }, (_, n) =>
        http2Frame({
          type: FRAME.HEADERS,
          flags: END_HEADERS | END_STREAM,
          stream: streamId(n),
          payload: HEADERS,
        }),
      ),
    ),
    max: 1,
  }),
};

const DOORS: Readonly<Record<string, () => HostileOptions>> = {
  'somebody over TLS': () => ({ tls: site.hostile }),
  'a stranger over TLS': () => ({ tls: 'no certificate' }),
  'somebody on the unix socket': () => ({}),
  'somebody who reads nothing': () => ({ tls: site.hostile, isDeaf: true }),
};

let site: HostileSite;

before(async () => {
  site = await HostileSite.start();
});
after(async () => {
  await site.finish();
});

describe('a flood of', { concurrency: FLOODS_AT_ONCE }, () => {
  for (const [what, floodOf] of Object.entries(FLOODS)) {
    it(`${what} ends the connection, whoever sends it`, async () => {
      const { first = Buffer.alloc(0), again, max = FLOOD_MAX } = floodOf();
      const attack = async (optionsOf: () => HostileOptions): Promise<void> => {
        const options = optionsOf();
        using client = await HostileClient.openHttp2(options.tls === undefined ? site.unixDoor : TLS_DOOR, options);
        await client.send(first);
        const sent = await client.flood(again, max);
        // Who takes nothing from the socket does not see its end. Who is stuck is closed a little later.
        if (sent === 'sent' && options.isDeaf !== true) await client.untilClosed(PATIENCE_MS);
      };
      await site.withstand(() => Promise.all(Object.values(DOORS).map(attack)));
    });
  }
});

describe('floods', () => {
  it('of all kinds at once from many connections do no more harm', async () => {
    const floods = Object.values(FLOODS).map((floodOf) => floodOf());
    await site.withstand(async () => {
      using clients = new HostileClients();
      await Promise.all(
        Array.from({ length: CONNECTIONS }, async (_, n) => {
          const { first = Buffer.alloc(0), again, max = FLOOD_MAX } = floods[n % floods.length] ?? assert.fail();
          const client = clients.add(await HostileClient.openHttp2(TLS_DOOR, { tls: site.hostile }));
          await client.send(first);
          await client.flood(again, Math.min(max, FLOOD_MAX / CONNECTIONS));
        }),
      );
    });
  });

  it('are written down no more often than a disk can bear', async () => {
    await site.gateway.audited(({ message }) => message?.includes('flood') === true);
    await site.gateway.audited(({ message }) => message?.includes('cancelled them') === true);
    assert.ok(site.gateway.audit.length < LINES_MAX, `${site.gateway.audit.length} lines`);
  });

  it('take no more memory than a few connections with nothing to hold', () => {
    const peakKb = site.gateway.memoryKb('VmHWM');
    assert.ok(peakKb < MEMORY_MAX_KB, `the gateway had ${peakKb} kB of memory`);
  });
});

/** Any setting that does not exist, which is ignored (RFC 9113, 6.5.2). */
const SETTING = Buffer.of(0x42, 0x42, 0, 0, 0, 1);

/** A List of the table, as DATA of gRPC. */
const MESSAGE = Buffer.of(0, 0, 0, 0, 2, 8, 123);

/** Each with as much of its message. */
function cancelledCalls(message: Buffer): Flood {
  const calls = Array.from({ length: CANCELLED }, (_, n) => {
    const stream = streamId(n);
    const data = http2Frame({ type: FRAME.DATA, flags: END_STREAM, stream, payload: message });
    return Buffer.concat([callFrame(stream, LIST), ...(message.length > 0 ? [data] : []), resetFrame(stream)]);
  });
  return { again: Buffer.concat(calls), max: 1 };
}
