// The socket to which programs send how they are.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';

import type { NotifyMessage, NotifyReceiver } from '../../src/runtime/native.js';
import { waitForExit, within } from '../support/wait.js';
import { native, Program } from './native-support.js';

/** Longest state, in bytes. */
const STATE_MAX = 64 * 1024;

/** Sends its second argument to the socket of the first. */
const SEND = `
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), sys.argv[1])`;

const folder = mkdtempSync(join(tmpdir(), 'mcroute-receiver-'));
after(() => {
  rmSync(folder, { recursive: true });
});

let sockets = 0;
let path = '';
beforeEach(() => {
  path = join(folder, `socket${++sockets}`);
});

function open(): NotifyReceiver & Disposable {
  const receiver = native.openNotifyReceiver(path);
  return Object.assign(receiver, {
    [Symbol.dispose]: () => {
      receiver.close();
    },
  });
}

function received(receiver: NotifyReceiver): NotifyMessage {
  return receiver.receive() ?? assert.fail('no message');
}

/** How many descriptors this process has, with that of the listing. */
function countFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** O_CLOEXEC, as /proc shows it, in octal. */
function isCloseOnExec(fd: number): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
  return (parseInt(flags, 8) & 0o2000000) !== 0;
}

describe('a receiver of notifications', () => {
  it('gives the state, its sender as the kernel knows it, and descriptors that do not pass an exec', () => {
    using receiver = open();
    assert.equal(receiver.receive(), undefined);
    const files = ['one', 'two'].map((name) => {
      writeFileSync(join(folder, name), name);
      return openSync(join(folder, name), 'r');
    });
    native.notify(path, 'FDSTORE=1\nFDNAME=asm4', files);
    native.notify(path, '', []);
    for (const fd of files) closeSync(fd);
    const { pid, uid, state, fds } = received(receiver);
    assert.deepEqual([pid, uid, state], [process.pid, process.getuid?.(), 'FDSTORE=1\nFDNAME=asm4']);
    assert.deepEqual(
      fds.map((fd) => readFileSync(fd, 'utf8')),
      ['one', 'two'],
    );
    for (const fd of fds) {
      assert.ok(isCloseOnExec(fd));
      native.closeDescriptor(fd);
    }
    assert.deepEqual(received(receiver), { pid: process.pid, uid: process.getuid?.(), state: '', fds: [] });
    assert.equal(receiver.receive(), undefined);
  });

  it('may be written to by everyone, whatever the umask, and its path stays', () => {
    const umask = process.umask(0o077);
    const receiver = open();
    process.umask(umask);
    assert.equal(statSync(path).mode & 0o777, 0o666);
    receiver.close();
    receiver.close();
    assert.ok(statSync(path).isSocket());
  });

  it('tells one sender from another, and calls back until it is closed', async () => {
    const receiver = open();
    const messages: NotifyMessage[] = [];
    const done = new Promise<void>((resolve) => {
      receiver.onReadable(() => {
        for (let message = receiver.receive(); message !== undefined; message = receiver.receive()) {
          messages.push(message);
        }
        if (messages.length < 2) return;
        receiver.close();
        resolve();
      });
    });
    native.notify(path, 'READY=1', []);
    const other = spawn('python3', ['-c', SEND, path, 'STATUS=of another'], { stdio: 'inherit' });
    await within(done, 'two messages');
    assert.deepEqual(
      messages.map(({ pid, state }) => [pid, state]),
      [
        [process.pid, 'READY=1'],
        [other.pid, 'STATUS=of another'],
      ],
    );
    await waitForExit(other);
    assert.throws(() => receiver.receive(), { code: 'EBADF', syscall: 'recvmsg' });
    assert.throws(
      () => {
        receiver.onReadable(() => undefined);
      },
      { code: 'EBADF' },
    );
  });

  it('takes states up to 64 KiB, drops longer ones with their descriptors, and goes on', () => {
    using receiver = open();
    const { fd } = receiver;
    const longest = 'x'.repeat(STATE_MAX);
    native.notify(path, `${longest}x`, [fd, fd]);
    native.notify(path, longest, []);
    native.notify(path, `${longest}x`, [fd]);
    const before = countFds();
    assert.equal(received(receiver).state, longest);
    assert.equal(receiver.receive(), undefined);
    assert.equal(countFds(), before);
  });

  it('takes as many descriptors as one message can have', () => {
    using receiver = open();
    native.notify(path, 'FDSTORE=1', new Array<number>(253).fill(receiver.fd));
    const { fds } = received(receiver);
    assert.equal(new Set(fds).size, 253);
    for (const fd of fds) native.closeDescriptor(fd);
  });

  it('drops what it has no room for, and keeps none of it', async () => {
    // The messages wait while the program takes all descriptors it may have, but two.
    using program = new Program(
      `
      import { closeSync, openSync } from 'node:fs';
      const path = ${JSON.stringify(path)};
      const receiver = native.openNotifyReceiver(path);
      native.notify(path, 'three', [0, 1, 2]);
      native.notify(path, 'two', [0, 1]);
      native.notify(path, 'none', []);
      const taken = [];
      const fill = () => { for (;;) try { taken.push(openSync('/dev/null')); } catch { return taken.length; } };
      const room = fill();
      for (let free = 0; free < 2; free += 1) closeSync(taken.pop());
      const [{ state, fds }, next] = [receiver.receive(), receiver.receive()];
      for (const fd of fds) native.closeDescriptor(fd);
      say({ read: [state, fds.length, next.state], isRoomLost: fill() !== room });
      process.exit(0);`,
      { launcher: ['prlimit', '--nofile=100'] },
    );
    assert.deepEqual(await program.line(), { read: ['two', 2, 'none'], isRoomLost: false });
  });

  it('needs a path that is free, and leaves what is there alone', () => {
    writeFileSync(path, 'kept');
    assert.throws(open, { code: 'EADDRINUSE', syscall: 'bind' });
    assert.equal(readFileSync(path, 'utf8'), 'kept');
    path = join(folder, 'link');
    symlinkSync(join(folder, 'nothing'), path);
    assert.throws(open, { code: 'EADDRINUSE', syscall: 'bind' });
    path = join(folder, 'missing/socket');
    assert.throws(open, { code: 'ENOENT', syscall: 'bind' });
    for (const refused of ['', '/'.repeat(108), 'a\0b']) {
      assert.throws(() => native.openNotifyReceiver(refused), RangeError);
    }
    assert.throws(() => native.openNotifyReceiver(1 as never), TypeError);
  });

  it('may have an abstract name', () => {
    path = '@mcroute-receiver-test';
    using receiver = open();
    native.notify(path, 'READY=1', []);
    assert.equal(received(receiver).state, 'READY=1');
  });

  it('makes an error of JavaScript an uncaught exception, and ends with the process', async () => {
    using program = new Program(`
      const path = ${JSON.stringify(path)};
      const receiver = native.openNotifyReceiver(path);
      process.on('uncaughtException', (error) => { say(error.message); process.exit(5); });
      receiver.onReadable(() => { receiver.receive(); throw new Error('thrown in a callback'); });
      native.notify(path, 'READY=1', []);`);
    assert.equal(await program.line(), 'thrown in a callback');
    assert.equal(await program.exit, 5);
  });
});
