import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  createServer,
} from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type UpstreamCall, Upstreams } from '../../src/gateway/upstreams.js';
import { eventually, waitForEvent, within } from '../support/wait.js';

/** Calls that are cancelled before a connection takes no more. */
const CANCELS_MAX = 500;

let directory: string;
let socket: string;
let server: Http2Server;
let sessions: ServerHttp2Session[];
let upstreams: Upstreams;
let calls = 0;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'upstreams-'));
  socket = join(directory, 's.sock');
  sessions = [];
  server = createServer();
  server.on('session', (session) => {
    session.on('error', () => undefined);
    sessions.push(session);
  });
  server.on('stream', (stream: ServerHttp2Stream) => stream.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  upstreams = new Upstreams();
});
afterEach(() => {
  upstreams.close();
  for (const session of sessions) session.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

function callOf(caller: string, path = '/a.B/Cancelled'): UpstreamCall {
  return upstreams.request(socket, caller, { ':method': 'POST', ':path': path });
}

/** Begins a call. Resolves when it is at the server, with the server's end of it. */
async function arrived(caller: string): Promise<{ call: UpstreamCall; stream: ServerHttp2Stream }> {
  const path = `/a.B/${++calls}`;
  const stream = new Promise<ServerHttp2Stream>((resolve) => {
    server.on('stream', (each: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      if (headers[':path'] === path) resolve(each);
    });
  });
  return { call: callOf(caller, path), stream: await within(stream, 'the call') };
}

describe('connections to those who serve', () => {
  it('are shared by the calls of one caller', async () => {
    await arrived('a');
    await arrived('a');
    assert.equal(sessions.length, 1);
  });

  it('are not shared with others, whose calls go on when the server ends one', async () => {
    const a = await arrived('a');
    const b = await arrived('b');
    assert.equal(sessions.length, 2);
    const closed = waitForEvent(a.call.stream, 'close');
    a.stream.session?.destroy();
    await closed;
    const answered = waitForEvent(b.call.stream, 'response');
    b.stream.respond({ ':status': 200 });
    await answered;
    const again = await arrived('a');
    assert.notEqual(again.stream.session, a.stream.session);
  });

  it('take no more calls when many were cancelled on them, and those that are open end as they would', async () => {
    const kept = await arrived('a');
    for (let n = 0; n < CANCELS_MAX; n++) callOf('a').cancel();
    const next = await arrived('a');
    assert.equal(sessions.length, 2);
    assert.notEqual(next.stream.session, kept.stream.session);
    const answered = waitForEvent(kept.call.stream, 'response');
    kept.stream.respond({ ':status': 200 }, { endStream: true });
    await answered;
    await eventually(() => ((kept.stream.session?.closed ?? true) ? true : undefined), 'the old connection to close');
  });

  it('end with their calls when all is closed, those too that take no more', async () => {
    const kept = await arrived('a');
    for (let n = 0; n < CANCELS_MAX; n++) callOf('a').cancel();
    const next = await arrived('a');
    const closed = [waitForEvent(kept.call.stream, 'close'), waitForEvent(next.call.stream, 'close')];
    upstreams.close();
    await Promise.all(closed);
  });
});
