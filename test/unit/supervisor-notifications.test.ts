import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { NotifyMessage } from '../../src/runtime/native.js';
import { type Notification, parseNotification } from '../../src/supervisor/notification.js';
import { openNotifications } from '../../src/supervisor/notifications.js';

const NOTHING: Notification = {
  isReady: false,
  isAlive: false,
  extendsByMs: undefined,
  status: undefined,
  keeps: undefined,
  releases: undefined,
};

describe('a notification', () => {
  it('is read line by line, and what it does not say is not there', () => {
    const cases: readonly [string, Partial<Notification>][] = [
      ['', {}],
      ['READY=1\nSTATUS=Serving table 5', { isReady: true, status: 'Serving table 5' }],
      ['READY=0', {}],
      ['READY=11', {}],
      ['WATCHDOG=1', { isAlive: true }],
      ['WATCHDOG=trigger', {}],
      ['EXTEND_TIMEOUT_USEC=2500000', { extendsByMs: 2_500 }],
      ['EXTEND_TIMEOUT_USEC=999999999999999', { extendsByMs: 1_800_000 }],
      ['EXTEND_TIMEOUT_USEC=-1', {}],
      ['STATUS=a=b', { status: 'a=b' }],
      ['STATUS=', { status: '' }],
      ['FDSTORE=1\nFDNAME=mrt4\nFDPOLL=0', { keeps: 'mrt4' }],
      ['FDNAME=mrt4', {}],
      ['FDSTORE=1', { keeps: 'stored' }],
      ['FDSTOREREMOVE=1\nFDNAME=asm6', { releases: 'asm6' }],
      ['STOPPING=1\nX_OTHER\n=\nERRNO=2', {}],
      ['\n\nREADY=1\n', { isReady: true }],
    ];
    for (const [text, expected] of cases) {
      assert.deepEqual(parseNotification(text), { ...NOTHING, ...expected }, JSON.stringify(text));
    }
  });

  it('keeps and releases nothing under a name that cannot be', () => {
    for (const name of ['', 'a:b', 'a.b', 'a b', 'ä', '../x', 'x'.repeat(33)]) {
      for (const verb of ['FDSTORE', 'FDSTOREREMOVE']) {
        assert.deepEqual(parseNotification(`${verb}=1\nFDNAME=${name}`), NOTHING, name);
      }
    }
    assert.equal(parseNotification(`FDSTORE=1\nFDNAME=${'x'.repeat(32)}`).keeps, 'x'.repeat(32));
  });

  it('may be anything, and its status is not too long to be remembered', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseNotification(text);
      }),
    );
    assert.equal(parseNotification(`STATUS=${'x'.repeat(5_000)}`).status?.length, 1_024);
  });
});

/** A socket in which messages wait. */
class FakeSocket {
  readonly waiting: NotifyMessage[] = [];
  readonly closed: number[] = [];
  isOpen = false;
  path = '';
  #onReadable: () => void = () => undefined;

  readonly addon = {
    closeDescriptor: (fd: number) => {
      this.closed.push(fd);
    },
    openNotifyReceiver: (path: string) => {
      // Fails if something is there.
      writeFileSync(path, '', { flag: 'wx' });
      this.path = path;
      this.isOpen = true;
      return {
        fd: 0,
        receive: () => this.waiting.shift(),
        onReadable: (callback: () => void) => {
          this.#onReadable = callback;
        },
        close: () => {
          this.isOpen = false;
        },
      };
    },
  };

  send(...messages: readonly (Pick<NotifyMessage, 'pid' | 'state'> & { readonly fds?: readonly number[] })[]): void {
    this.waiting.push(...messages.map(({ pid, state, fds = [] }) => ({ pid, uid: 0, state, fds })));
  }

  tellReadable(): void {
    this.#onReadable();
  }
}

/** What was taken, as `pid: what it keeps and releases: descriptors`. */
function withNotifications(
  body: (notifications: ReturnType<typeof openNotifications>, socket: FakeSocket) => void,
): void {
  const directory = mkdtempSync(join(tmpdir(), 'notify-'));
  try {
    const path = join(directory, 'notify.sock');
    writeFileSync(path, 'what a killed supervisor left');
    const socket = new FakeSocket();
    using notifications = openNotifications(path, socket.addon);
    body(notifications, socket);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('the socket for notifications', () => {
  it('takes the place of one that was left behind', () => {
    withNotifications((_notifications, socket) => {
      assert.ok(socket.isOpen);
    });
  });

  it('gives each process what it says, with its descriptors, in order', () => {
    withNotifications((notifications, socket) => {
      const taken: unknown[] = [];
      for (const pid of [10, 11]) {
        notifications.listenTo(pid, ({ isReady, keeps }, fds) => taken.push([pid, isReady, keeps, fds]));
      }
      socket.send(
        { pid: 11, state: 'FDSTORE=1\nFDNAME=mrt4', fds: [20, 21] },
        { pid: 10, state: 'READY=1' },
        { pid: 11, state: 'READY=1' },
      );
      socket.tellReadable();
      assert.deepEqual(taken, [
        [11, false, 'mrt4', [20, 21]],
        [10, true, undefined, []],
        [11, true, undefined, []],
      ]);
      assert.deepEqual(socket.closed, []);
    });
  });

  it('closes the descriptors of strangers, of those that are gone, and of messages that ask for nothing', () => {
    withNotifications((notifications, socket) => {
      let heard = 0;
      const stop = notifications.listenTo(10, (_notification, fds) => {
        heard++;
        assert.deepEqual(fds, []);
      });
      socket.send(
        { pid: 99, state: 'FDSTORE=1\nFDNAME=mrt4', fds: [20, 21] },
        { pid: 0, state: 'READY=1', fds: [22] },
        { pid: 10, state: 'READY=1', fds: [23] },
        { pid: 10, state: 'FDSTORE=1\nFDNAME=a:b', fds: [24] },
      );
      notifications.drain();
      assert.equal(heard, 2);
      stop();
      socket.send({ pid: 10, state: 'FDSTORE=1\nFDNAME=mrt4', fds: [25] });
      notifications.drain();
      assert.equal(heard, 2);
      assert.deepEqual(socket.closed, [20, 21, 22, 23, 24, 25]);
    });
  });

  it('does not listen to a successor of the same pid any less when it stops listening to the first', () => {
    withNotifications((notifications, socket) => {
      let heard = 0;
      const stop = notifications.listenTo(10, () => assert.fail('it is gone'));
      notifications.listenTo(10, () => heard++);
      stop();
      socket.send({ pid: 10, state: 'READY=1' });
      notifications.drain();
      assert.equal(heard, 1);
    });
  });

  it('is not held by one who writes without pause', () => {
    withNotifications((notifications, socket) => {
      socket.waiting.shift = () => ({ pid: 99, uid: 0, state: 'READY=1', fds: [] });
      notifications.drain();
    });
  });
});
