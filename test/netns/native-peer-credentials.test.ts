// Who is at the other end of a unix socket.
import assert from 'node:assert/strict';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { spawn } from 'node:child_process';

import { itAsRoot } from '../support/launcher.js';
import { waitForEvent, waitForExit } from '../support/wait.js';
import { native } from './native-support.js';

const folder = mkdtempSync(join(tmpdir(), 'mcroute-peer-'));
const path = join(folder, 'socket');
const server = createServer();

before(async () => {
  server.listen(path);
  await waitForEvent(server, 'listening');
  // Others may connect.
  chmodSync(folder, 0o755);
  chmodSync(path, 0o777);
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Connects, becomes somebody else, and waits to be told to end. */
const CONNECT = `
import os, socket, sys
ids = [int(word) for word in sys.argv[2:]]
if ids:
    os.setgroups(ids[1:]); os.setgid(ids[1]); os.setuid(ids[0])
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.recv(1)`;

/** What is told of a program with these ids: a uid, and groups, the first of which is its own. */
async function credentialsOf(...ids: readonly number[]) {
  const connected = waitForEvent<Socket>(server, 'connection');
  const child = spawn('python3', ['-c', CONNECT, path, ...ids.map(String)], { stdio: 'ignore' });
  const socket = await connected;
  const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const credentials = native.peerCredentials(fd);
  socket.destroy();
  await waitForExit(child);
  return { ...credentials, isItsPid: credentials.pid === child.pid };
}

describe('the peer of a unix socket', () => {
  it('is the process that connected', async () => {
    const { uid, gids, isItsPid } = await credentialsOf();
    assert.equal(uid, process.getuid?.());
    assert.equal(gids[0], process.getgid?.());
    assert.equal(new Set(gids).size, gids.length);
    assert.ok(isItsPid);
  });

  itAsRoot('has all its groups, each once and its own first, however many they are', async () => {
    const few = await credentialsOf(4_000, 4_001, 5_000, 5_001);
    assert.equal(few.uid, 4_000);
    assert.deepEqual(few.gids, [4_001, 5_000, 5_001]);
    const many = [4_001, ...Array.from({ length: 200 }, (_, index) => 10_000 + index)];
    assert.deepEqual((await credentialsOf(4_000, ...many)).gids, many);
  });

  it('is asked for of unix sockets only', () => {
    const fd = openSync('/dev/null', 'r');
    assert.throws(() => native.peerCredentials(fd), { code: 'ENOTSOCK', syscall: 'getsockopt(SO_PEERCRED)' });
    closeSync(fd);
    assert.throws(() => native.peerCredentials(-1), RangeError);
    assert.throws(() => native.peerCredentials(undefined as never), TypeError);
  });
});
