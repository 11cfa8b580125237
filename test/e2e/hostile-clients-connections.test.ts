// Clients that connect and then do not say who they are, or do not go on: TLS, and the first bytes within it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { HostileClient, HostileClients, type HostileOptions } from '../support/hostile-client.js';
import { HostileCalls, endOf, grpcMessage } from '../support/hostile-calls.js';
import { HostileSite, TLS_DOOR } from '../support/hostile-site.js';
import {
  FRAME,
  PREFACE,
  callFrame,
  callHeaders,
  headerBlock,
  http2Frame,
  settingsFrame,
  streamId,
} from '../support/http2-frames.js';
import { eventually } from '../support/wait.js';

/** Longest time until the gateway has had enough of a client that says nothing, or nothing whole, in ms. */
const PATIENCE_MS = 30_000;

/** Of a client that sends byte by byte, in ms: slower than the gateway waits for the first bytes of HTTP/2. */
const BYTE_PAUSE_MS = 600;

/** Calls that are begun, and of one connection. */
const CALLS = 10_000;
const CALLS_PER_CONNECTION = 160;

const LIST = '/mcroute.v1.RoutingService/List';

/** The first bytes of a ClientHello, which says that 512 follow. */
const HALF_A_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

let site: HostileSite;
/** Goes on all the time. */
let slowAttack: Promise<void>;

before(async () => {
  site = await HostileSite.start();
  slowAttack = attackSlowly();
  // The test that waits for it tells what is wrong.
  slowAttack.catch(() => undefined);
});
after(async () => {
  await site.finish();
});

/** Addresses of this host from which nobody else comes. */
function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `127.0.${9 + (n >> 6)}.${1 + (n & 63)}`);
}

/** What those have been told who were refused before a call, in the audit. */
function refusals(text: string): number {
  return site.gateway.audit.filter(({ method, message }) => method === '' && message?.includes(text) === true).length;
}

describe('connections', () => {
  it('whose handshake does not come to its end are closed, however many they are', async () => {
    await site.withstand(async () => {
      using clients = new HostileClients();
      for (const from of addresses(30)) {
        for (const bytes of [undefined, HALF_A_HELLO, HALF_A_HELLO.subarray(0, 1)]) {
          const opening = Array.from({ length: 10 }, () => HostileClient.open(TLS_DOOR, { from }));
          for (const client of await Promise.all(opening)) {
            clients.add(client);
            if (bytes !== undefined) await client.send(bytes);
          }
        }
      }
      await clients.untilClosed(PATIENCE_MS);
    });
    assert.ok(refusals('the TLS handshake failed') > 0);
    assert.ok(refusals('too many connections') > 0);
  });

  it('of what is not TLS are closed', async () => {
    await site.withstand(async () => {
      using clients = new HostileClients();
      for (const from of addresses(40)) {
        await clients.add(await HostileClient.open(TLS_DOOR, { from })).send(randomBytes(64 * 1024));
      }
      await clients.untilClosed(PATIENCE_MS);
    });
  });

  it('of one identity are no more than a few', async () => {
    await site.withstand(async () => {
      using clients = new HostileClients();
      for (const from of addresses(40)) {
        for (let n = 0; n < 5; n++) clients.add(await HostileClient.openHttp2(TLS_DOOR, { from, tls: site.hostile }));
      }
      await eventually(() => (clients.open <= 32 ? true : undefined), 'few of them are open');
      assert.ok(clients.open > 0);
    });
    assert.ok(refusals('too many connections') > 0);
  });

  for (const [who, optionsOf] of [
    ['of somebody', () => ({ tls: site.hostile })],
    ['of nobody', () => ({ tls: 'no certificate' })],
  ] as const satisfies readonly [string, () => HostileOptions][]) {
    it(`${who} with garbage in place of HTTP/2 are closed`, async () => {
      await site.withstand(async () => {
        using clients = new HostileClients();
        for (const bytes of [
          randomBytes(64 * 1024),
          Buffer.alloc(64 * 1024),
          Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
          Buffer.concat([PREFACE, Buffer.alloc(64 * 1024, 0xff)]),
          Buffer.concat([PREFACE, settingsFrame(), callFrame(2, LIST)]),
        ]) {
          await clients.add(await HostileClient.open(TLS_DOOR, optionsOf())).send(bytes);
        }
        await clients.untilClosed(PATIENCE_MS);
      });
    });
  }

  it('with ten thousand calls that are begun and go no further keep nobody else waiting', async () => {
    await site.withstand(async () => {
      using clients = new HostileClients();
      const identities = [site.hostile, await site.hostileCalled('b'), await site.hostileCalled('c')];
      const calls = Array.from({ length: CALLS_PER_CONNECTION }, (_, n) => callFrame(streamId(n), LIST));
      for (const [n, from] of addresses(Math.ceil(CALLS / CALLS_PER_CONNECTION)).entries()) {
        const tls = identities[n % identities.length];
        if (tls === undefined) throw new Error('bug: there is no such identity');
        await clients.add(await HostileClient.openHttp2(TLS_DOOR, { tls, from })).send(Buffer.concat(calls));
      }
      await site.gateway.audited(({ reason, identity }) => reason === 'RATE_LIMIT' && identity.includes('hostile'));
    });
  });

  it('that are slow are closed if they are slow with their first bytes or strangers, and else their calls end', async () => {
    await site.withstand(() => slowAttack);
  });

  it('are written down no more often than a disk can bear', () => {
    assert.ok(site.gateway.audit.length < LINES_MAX, `${site.gateway.audit.length} lines`);
  });
});

async function attackSlowly(): Promise<void> {
  using clients = new HostileClients();
  const tls = await site.hostileCalled('slow');
  const slow = clients.add(await HostileClient.open(TLS_DOOR, { tls }));
  void slow.trickle(PREFACE, BYTE_PAUSE_MS);
  const headers = { type: FRAME.HEADERS, stream: 1, payload: headerBlock(callHeaders(LIST)) } as const;
  const pings = new Array<Buffer>(50).fill(http2Frame({ type: FRAME.PING, payload: Buffer.alloc(8) }));
  for (const bytes of [http2Frame(headers), callFrame(1, LIST), Buffer.concat(pings)]) {
    const stranger = clients.add(await HostileClient.openHttp2(TLS_DOOR, { tls: 'no certificate' }));
    void stranger.trickle(bytes, BYTE_PAUSE_MS);
  }
  using calls = await HostileCalls.open(TLS_DOOR, { tls });
  const streams = [Buffer.alloc(0), grpcMessage(Buffer.alloc(1), { length: 1_000 })].map((bytes) => {
    const stream = calls.begin(LIST);
    stream.write(bytes);
    return endOf(stream);
  });
  await clients.untilClosed(PATIENCE_MS);
  for (const { code, message } of await Promise.all(streams)) {
    assert.equal(code, status.DEADLINE_EXCEEDED, message);
    assert.match(message, /too%20slow/);
  }
}

/** Lines of the audit for some thousand connections that were refused, and the work of the other client. */
const LINES_MAX = 5_000;
