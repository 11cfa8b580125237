// Clients whose headers and messages are too large, broken or not those of the API, over every door of the gateway: each call
// has its status, and the others are served.
import assert from 'node:assert/strict';
import type { ClientHttp2Stream } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { routingDefinition } from '../../src/api/load.js';
import { put, route } from '../support/calls.js';
import type { Door, HostileOptions } from '../support/hostile-client.js';
import { HostileClient } from '../support/hostile-client.js';
import { HostileCalls, endOf, grpcMessage } from '../support/hostile-calls.js';
import { HostileSite, TABLE, TLS_DOOR } from '../support/hostile-site.js';
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  callFrame,
  callHeaders,
  headerBlock,
  http2Frame,
} from '../support/http2-frames.js';
import { ODD_MESSAGES } from '../support/odd-messages.js';
import { TimeLimitError, within } from '../support/wait.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const SERVICE = '/mcroute.v1.RoutingService';
const LIST = `${SERVICE}/List`;
const APPLY = `${SERVICE}/Apply`;
const REPLACE = `${SERVICE}/Replace`;
const MODIFY = `${SERVICE}/Modify`;

/** Bytes that a stream takes before anything of it is read: the windows of HTTP/2, and buffers on the way. */
const READ_AHEAD_MAX = 4 * MIB;

/** Time in which calls that are to be held have come as far as they come, in ms. */
const HELD_MS = 3_000;

/** Calls of one connection at once, fewer than an identity may have. */
const AT_ONCE = 48;

/** Calls that end before anything can be done. */
const SHORT_CALLS = 5_000;

/** Lines of the audit, most of which are of the client that works. */
const LINES_MAX = 5_000;

/** A List of the table. */
const A_LIST = grpcMessage(Buffer.of(8, TABLE));

let site: HostileSite;

before(async () => {
  site = await HostileSite.start();
});
after(async () => {
  await site.finish();
});

/** Who comes by which door, and with what its calls end when they are refused. */
interface Attacker {
  readonly door: Door;
  readonly options: Pick<HostileOptions, 'tls'>;
  /** The code of its calls, if not that of what is wrong with them. */
  readonly code?: status;
}

function attackers(): Attacker[] {
  return [
    { door: TLS_DOOR, options: { tls: site.hostile } },
    { door: site.unixDoor, options: {} },
    { door: TLS_DOOR, options: { tls: 'no certificate' }, code: status.UNAUTHENTICATED },
  ];
}

/** Attacks by all doors at once. */
async function fromEverywhere(attack: (calls: HostileCalls, codeOf: (code: status) => status) => Promise<void>) {
  await site.withstand(() =>
    Promise.all(
      attackers().map(async ({ door, options, code: always }) => {
        using calls = await HostileCalls.open(door, options);
        await attack(calls, (code) => always ?? code);
      }),
    ),
  );
}

/** Writes zeros, up to so many, as long as they are taken; gives how many were. */
async function pour(stream: ClientHttp2Stream, max: number): Promise<number> {
  const piece = Buffer.alloc(64 * 1024);
  let count = 0;
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  for (; count < max && stream.writable; count += piece.length) {
    if (stream.write(piece)) continue;
    await Promise.race([new Promise<void>((resolve) => stream.once('drain', resolve)), closed]);
  }
  return count;
}

describe('messages', () => {
  for (const [what, length] of [
    ['1 GiB', GIB],
    ['4 GiB less a byte', 2 ** 32 - 1],
  ] as const) {
    it(`of ${what} are refused by their first bytes, and no more of them is read`, async () => {
      await fromEverywhere(async (calls, codeOf) => {
        for (const path of [LIST, APPLY, REPLACE, MODIFY]) {
          const stream = calls.begin(path);
          const ending = endOf(stream);
          stream.write(grpcMessage(Buffer.alloc(0), { length }));
          const sent = await pour(stream, length);
          const { code, message } = await ending;
          assert.equal(code, codeOf(status.RESOURCE_EXHAUSTED), `${path}: ${message}`);
          assert.ok(sent < READ_AHEAD_MAX, `${sent} bytes were taken`);
        }
      });
    });
  }

  it('of 1 GiB that come whether or not there is room end the connection', async () => {
    await site.withstand(() =>
      Promise.all(
        attackers().map(async ({ door, options }) => {
          using client = await HostileClient.openHttp2(door, options);
          await client.send(callFrame(1, LIST));
          const first = grpcMessage(Buffer.alloc(8 * 1024), { length: GIB });
          await client.send(http2Frame({ type: FRAME.DATA, stream: 1, payload: first }));
          const data = http2Frame({ type: FRAME.DATA, stream: 1, payload: Buffer.alloc(16 * 1024) });
          assert.equal(await client.flood(data, GIB), 'closed');
        }),
      ),
    );
  });

  it('as large as they may be, on many calls, which all stop before their last byte', async () => {
    await fromEverywhere(async (calls) => {
      const pouring = Array.from({ length: AT_ONCE }, () => {
        const stream = calls.begin(APPLY);
        stream.write(grpcMessage(Buffer.of(8, TABLE), { length: 16 * MIB }));
        return pour(stream, 15 * MIB);
      });
      await within(Promise.all(pouring), 'all is taken', HELD_MS).catch((error: unknown) => {
        if (!(error instanceof TimeLimitError)) throw error;
      });
    });
  });

  it('that are compressed are not looked into', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    await fromEverywhere(async (calls, codeOf) => {
      for (const path of [LIST, APPLY, REPLACE, MODIFY]) {
        for (const headers of [{ 'grpc-encoding': 'gzip' }, { 'grpc-encoding': 'deflate' }, {}]) {
          const { code } = await calls.call(path, grpcMessage(bomb, { isCompressed: true }), headers);
          assert.equal(code, codeOf(status.UNIMPLEMENTED));
        }
        // They say that they are not: what comes is no message.
        const { code } = await calls.call(path, grpcMessage(bomb), {
          'grpc-encoding': 'gzip',
          'content-encoding': 'gzip',
        });
        assert.equal(code, codeOf(status.INVALID_ARGUMENT));
      }
    });
  });

  it('that are no messages of the API, or in part, are refused or taken for what of them is known', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      for (const [what, { bytes, isTaken }] of Object.entries(ODD_MESSAGES)) {
        for (const path of [LIST, APPLY, REPLACE, MODIFY]) {
          const { code = NaN, message } = await calls.call(path, grpcMessage(bytes));
          // Without an owner nothing is changed. What only the agent finds out is its library's to say.
          const expected = path === LIST && isTaken ? [status.OK] : [status.INVALID_ARGUMENT, status.INTERNAL];
          const codes: readonly number[] = expected.map(codeOf);
          assert.ok(codes.includes(code), `${what}, ${path}: ${code} ${message}`);
        }
      }
    });
  });

  it('that are none, half of one, or two where one belongs, are told so', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      for (const [bytes, expected] of [
        [Buffer.alloc(0), status.INVALID_ARGUMENT],
        [A_LIST.subarray(0, 3), status.INTERNAL],
        [A_LIST.subarray(0, 6), status.INTERNAL],
      ] as const) {
        const { code } = await calls.call(LIST, bytes);
        assert.equal(code, codeOf(expected), bytes.toString('hex'));
      }
      const { code } = await calls.call(LIST, Buffer.concat([A_LIST, A_LIST]));
      assert.notEqual(code, undefined);
    });
  });
});

describe('calls', () => {
  it('with headers as large as they may be are served, and with larger ones not', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      const { code } = await calls.call(LIST, A_LIST, { 'x-large': 'x'.repeat(15 * 1024) });
      assert.equal(code, codeOf(status.OK));
      for (const headers of [
        { 'x-large': 'x'.repeat(17 * 1024) },
        Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'x'])),
      ]) {
        assert.notEqual((await calls.call(LIST, A_LIST, headers)).code, status.OK);
      }
      assert.equal((await calls.call(LIST, A_LIST)).code, codeOf(status.OK));
    });
  });

  it('with 10,000 metadata entries, or a megabyte of them, end the connection or the call', async () => {
    const many = headerBlock(Array.from({ length: 10_000 }, (_, n): [string, string] => [`x-${n}`, String(n)]));
    const large = headerBlock([['x-large', 'x'.repeat(MIB)]]);
    await site.withstand(() =>
      Promise.all(
        attackers().flatMap(({ door, options }) =>
          [many, large].map(async (block) => {
            using client = await HostileClient.openHttp2(door, options);
            const payload = Buffer.concat([headerBlock(callHeaders(LIST)), block]);
            for (let at = 0; at < payload.length; at += FRAME_MAX) {
              if ((await client.send(headersFrame(payload, at))) !== 'sent') return;
            }
            await client.send(http2Frame({ type: FRAME.DATA, flags: END_STREAM, stream: 1, payload: A_LIST }));
          }),
        ),
      ),
    );
  });

  it('with a path, a method or a type that is not served are told so', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      for (const path of ODD_PATHS) {
        const { code, message } = await calls.call(path, A_LIST);
        assert.equal(code, codeOf(status.UNIMPLEMENTED), `${path}: ${message}`);
      }
      // No HTTP server takes these (RFC 9113, 8.3.1).
      for (const path of ['*', 'List', '']) assert.equal((await calls.call(path, A_LIST)).code, undefined, path);
      for (const headers of [
        { 'content-type': 'text/html' },
        { 'content-type': 'application/json' },
        { 'content-type': '' },
        { ':method': 'PUT' },
        { ':method': 'PATCH' },
      ]) {
        const { httpStatus, code } = await calls.call(LIST, A_LIST, headers);
        assert.deepEqual([httpStatus, code], [415, undefined], JSON.stringify(headers));
      }
    });
  });

  it('with trailers are served as if there were none', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      for (const trailers of [
        { 'grpc-status': '0' },
        { 'mcroute-identity': 'uid:0', 'mcroute-scope-bin': 'AAAA' },
        { 'x-large': 'x'.repeat(15 * 1024) },
      ]) {
        const stream = calls.begin(LIST, {}, { waitForTrailers: true });
        stream.once('wantTrailers', () => {
          stream.sendTrailers(trailers);
        });
        stream.end(A_LIST);
        assert.equal((await endOf(stream)).code, codeOf(status.OK));
      }
    });
  });

  it('that say who they are of, and what they may, are of whom the connection is', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      const headers = { 'mcroute-identity': 'uid:0', 'mcroute-peer': '1', 'mcroute-scope-bin': 'AAAA' };
      const { bytes } = await calls.call('/mcroute.v1.GatewayService/GetPolicy', grpcMessage(Buffer.alloc(0)), headers);
      assert.equal(bytes, 0);
      assert.equal((await calls.call(LIST, A_LIST, headers)).code, codeOf(status.OK));
    });
  });

  it('with a deadline of 1 ms, thousands of them, end with a status each', async () => {
    await fromEverywhere(async (calls) => {
      const own = new Map<number, number>();
      let begun = 0;
      const caller = async () => {
        while (begun++ < SHORT_CALLS && !calls.isClosed) {
          const [path, bytes] = begun % 8 === 0 ? [APPLY, A_CHANGE] : [LIST, A_LIST];
          const { code } = await calls.call(path, bytes, { 'grpc-timeout': '1m' });
          if (code === undefined) continue;
          own.set(code, (own.get(code) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, caller));
      assert.ok(own.size > 0);
    });
  });

  it('with a deadline that is none are served', async () => {
    await fromEverywhere(async (calls, codeOf) => {
      for (const timeout of ['', '1', 'S', '-1S', '999999999S', '1x', '1S1S', '99999999H']) {
        const { code, message } = await calls.call(LIST, A_LIST, { 'grpc-timeout': timeout });
        assert.notEqual(code, undefined, message);
      }
      assert.equal((await calls.call(LIST, A_LIST, { 'grpc-timeout': '99999999H' })).code, codeOf(status.OK));
    });
  });

  it('are written down no more often than a disk can bear', () => {
    assert.ok(site.gateway.audit.length < LINES_MAX, `${site.gateway.audit.length} lines`);
  });
});

/** Bytes of a frame that every peer takes (RFC 9113, 4.2). */
const FRAME_MAX = 16 * 1024;

/** The part of a header block that begins there, as HEADERS or CONTINUATION. */
function headersFrame(block: Buffer, at: number): Buffer {
  const end = at + FRAME_MAX;
  return http2Frame({
    type: at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION,
    flags: end >= block.length ? END_HEADERS : 0,
    stream: 1,
    payload: block.subarray(at, end),
  });
}

const ODD_PATHS: readonly string[] = [
  '/',
  '//',
  SERVICE,
  `${SERVICE}/`,
  `${SERVICE}/list`,
  `${LIST}/`,
  `${LIST}?table=${TABLE}`,
  `/${LIST}`,
  `${SERVICE}/%4cist`,
  '/mcroute.v1.RoutingService/../RoutingService/List',
  '/mcroute.v2.RoutingService/List',
  '/constructor/toString',
  '/__proto__',
  `/${'x'.repeat(10_000)}`,
];

/** Something that is changed, of an owner of its own. */
const A_CHANGE = grpcMessage(
  routingDefinition().Apply.requestSerialize({ table: TABLE, owner: 'short', changes: [put(route('239.77.0.1'))] }),
);
