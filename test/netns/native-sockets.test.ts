// The addon's sockets of joins, netlink and notifications.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { waitForLine, within } from '../support/wait.js';
import { addLink, addressWords, FAMILIES, native, NETS, openRouter, Program, type Router } from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(1);
});
after(() => {
  router[Symbol.dispose]();
});

function words(address: string): Uint32Array {
  return Uint32Array.from(addressWords(address));
}

/** IGMP and MLD memberships of r0 in the kernel, in hexadecimal as /proc prints them. */
function memberships(family: 4 | 6): string {
  return readFileSync(family === 4 ? '/proc/net/igmp' : '/proc/net/igmp6', 'utf8').toLowerCase();
}

/** A group as `memberships` shows it: IPv4 in the machine's byte order. */
function shown(family: 4 | 6, address: string): string {
  const hex = addressWords(address).map((word) => word.toString(16).padStart(8, '0'));
  return family === 6
    ? hex.join('')
    : Buffer.from(hex[0] ?? '', 'hex')
        .reverse()
        .toString('hex');
}

for (const family of FAMILIES) {
  const net = NETS[family];

  describe(`membership socket, IPv${family}`, () => {
    it('joins and leaves groups and sources, and leaves all when it is closed', () => {
      const socket = native.openMembershipSocket(family);
      const ifindex = native.interfaceIndex('r0');
      const [asm, ssm] = [net.group(1), net.group(2)];
      const source = words(net.source(0, 2));
      socket.join(ifindex, words(asm));
      socket.join(ifindex, words(ssm), source);
      assert.match(memberships(family), new RegExp(shown(family, asm)));
      assert.match(memberships(family), new RegExp(shown(family, ssm)));
      assert.throws(
        () => {
          socket.join(ifindex, words(asm));
        },
        {
          code: 'EADDRINUSE',
          syscall: 'setsockopt(MCAST_JOIN_GROUP)',
        },
      );
      socket.leave(ifindex, words(ssm), source);
      assert.doesNotMatch(memberships(family), new RegExp(shown(family, ssm)));
      assert.throws(
        () => {
          socket.leave(ifindex, words(ssm), source);
        },
        {
          syscall: 'setsockopt(MCAST_LEAVE_SOURCE_GROUP)',
        },
      );
      socket.leave(ifindex, words(asm));
      assert.doesNotMatch(memberships(family), new RegExp(shown(family, asm)));
      socket.join(ifindex, words(asm));
      socket.close();
      assert.doesNotMatch(memberships(family), new RegExp(shown(family, asm)));
      assert.throws(
        () => {
          socket.join(ifindex, words(asm));
        },
        { code: 'EBADF' },
      );
    });

    it('says when it is full', () => {
      const socket = native.openMembershipSocket(family);
      const ifindex = native.interfaceIndex('r0');
      const join = (number: number) => {
        socket.join(ifindex, words(net.group(number)));
      };
      if (family === 4) {
        // igmp_max_memberships
        writeFileSync('/proc/sys/net/ipv4/igmp_max_memberships', '20');
        for (let number = 1; number <= 20; number += 1) join(number);
        assert.throws(
          () => {
            join(21);
          },
          { code: 'ENOBUFS', errno: -constants.errno.ENOBUFS },
        );
      } else {
        // mld_max_msf: sources of one group
        const source = (number: number) => words(net.source(0, number));
        for (let number = 1; number <= 64; number += 1) socket.join(ifindex, words(net.group(1)), source(number));
        assert.throws(
          () => {
            socket.join(ifindex, words(net.group(1)), source(65));
          },
          { code: 'ENOBUFS' },
        );
      }
      socket.close();
    });

    it('checks its arguments', () => {
      const socket = native.openMembershipSocket(family);
      assert.throws(() => {
        socket.join(0, words(net.group(1)));
      }, RangeError);
      assert.throws(() => {
        socket.join(1, new Uint32Array(8));
      }, RangeError);
      assert.throws(() => {
        socket.join(1, words(net.group(1)), new Uint32Array());
      }, RangeError);
      assert.throws(() => {
        socket.join(1, net.group(1) as never);
      }, TypeError);
      assert.throws(
        () => {
          socket.join(1, words(net.unicast));
        },
        { code: 'EINVAL' },
      );
      socket.close();
    });

    it('is adopted only if it is one', () => {
      const netlink = native.openNetlinkSocket();
      assert.throws(() => native.adoptMembershipSocket(family, netlink.fd), { code: 'EPROTOTYPE' });
      assert.throws(() => native.adoptMembershipSocket(family, undefined as never), TypeError);
      netlink.close();
    });
  });
}

/** RTM_GETLINK for all interfaces, NLM_F_REQUEST | NLM_F_DUMP: a header of 16 bytes and an ifinfomsg of 16. */
function linkDump(sequence: number): Uint8Array {
  const RTM_GETLINK = 18;
  const message = new DataView(new ArrayBuffer(32));
  message.setUint32(0, 32, true);
  message.setUint16(4, RTM_GETLINK, true);
  message.setUint16(6, 0x301, true);
  message.setUint32(8, sequence, true);
  return new Uint8Array(message.buffer);
}

/** Sequence and port of the first message of a datagram. */
function addressee(datagram: Uint8Array): readonly number[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset);
  return [view.getUint32(8, true), view.getUint32(12, true)];
}

/** RTNLGRP_LINK */
const LINK_GROUP = 1;

describe('netlink socket', () => {
  it('brings back the answer to a dump', async () => {
    const socket = native.openNetlinkSocket();
    assert.equal(socket.receive(), undefined);
    const datagram = new Promise<Uint8Array | undefined>((resolve) => {
      socket.onReadable(() => {
        resolve(socket.receive());
      });
    });
    socket.send(linkDump(77));
    const answer = (await within(datagram, 'an answer')) ?? assert.fail('nothing to read');
    assert.deepEqual(addressee(answer), [77, socket.portId]);
    assert.ok(Buffer.from(answer).includes('r0\0'), 'it names the interfaces');
    // A callback may close its own socket, and is not called after that.
    const closed = new Promise<void>((resolve) => {
      socket.onReadable(() => {
        socket.close();
        socket.close();
        resolve();
      });
    });
    await within(closed, 'the rest of the dump');
    assert.throws(() => socket.receive(), { code: 'EBADF', syscall: 'recvmsg' });
    assert.throws(
      () => {
        socket.onReadable(() => undefined);
      },
      { code: 'EBADF' },
    );
  });

  it('hears notifications of the groups it has joined', async () => {
    const socket = native.openNetlinkSocket();
    socket.joinGroup(LINK_GROUP);
    const news = new Promise<Uint8Array>((resolve) => {
      socket.onReadable(() => {
        for (let datagram = socket.receive(); datagram !== undefined; datagram = socket.receive()) {
          if (Buffer.from(datagram).includes('news\0')) resolve(datagram);
        }
      });
    });
    using link = addLink('news');
    link.change(1);
    const notification = await within(news, 'a notification');
    assert.equal(addressee(notification)[0], 0, 'it answers no request');
    socket.close();
  });

  it('says that notifications were lost', () => {
    const socket = native.openNetlinkSocket();
    socket.joinGroup(LINK_GROUP);
    // Each change of a link is more than a kilobyte in the buffer of 1 MiB; as another user it is a fifth of that.
    using link = addLink('lossy');
    link.change(2_000);
    const read = () => {
      while (socket.receive() !== undefined);
    };
    assert.throws(read, { code: 'ENOBUFS', syscall: 'recvmsg' });
    read();
    socket.close();
  });

  it('makes an error of JavaScript an uncaught exception', async () => {
    using program = new Program(`
      const socket = native.openNetlinkSocket();
      process.on('uncaughtException', (error) => { say(error.message); socket.close(); });
      socket.onReadable(() => { while (socket.receive() !== undefined); throw new Error('thrown in a callback'); });
      socket.send(Uint8Array.from(${JSON.stringify([...linkDump(1)])}));`);
    assert.equal(await program.line(), 'thrown in a callback');
    assert.equal(await program.exit, 0);
  });

  it('checks its arguments', () => {
    const socket = native.openNetlinkSocket();
    assert.throws(() => {
      socket.joinGroup(0);
    }, RangeError);
    assert.throws(
      () => {
        socket.joinGroup(10_000);
      },
      { code: 'EINVAL', syscall: 'setsockopt(NETLINK_ADD_MEMBERSHIP)' },
    );
    assert.throws(() => {
      socket.send('text' as never);
    }, TypeError);
    assert.throws(() => {
      socket.onReadable(undefined as never);
    }, TypeError);
    socket.close();
  });
});

/** A receiver of the sd_notify protocol: prints the state and what the descriptors hold. Node cannot receive these. */
const NOTIFY_RECEIVER = `
import os, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
receiver.bind('\\0' + name[1:] if name[0] == '@' else name)
print('bound', flush=True)
state, fds, flags, sender = socket.recv_fds(receiver, 65536, 253)
print(state.decode(), [os.read(fd, 100).decode() for fd in fds])
`;

describe('notify', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcroute-notify-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  for (const [kind, path] of [
    ['a path', join(folder, 'socket')],
    ['an abstract name', '@mcroute-native-test'],
  ] as const) {
    it(`sends a state and descriptors to ${kind}`, async () => {
      const receiver = spawn('python3', ['-c', NOTIFY_RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      await waitForLine(receiver.stdout, /^bound$/);
      const file = join(folder, 'content');
      writeFileSync(file, 'kept');
      const fd = openSync(file, 'r');
      native.notify(path, 'FDSTORE=1\nFDNAME=ipv4', [fd]);
      closeSync(fd);
      await waitForLine(receiver.stdout, /^FDNAME=ipv4 \['kept'\]$/);
    });
  }

  it('says when nobody is there, and checks its arguments', () => {
    assert.throws(
      () => {
        native.notify(join(folder, 'nobody'), 'READY=1', []);
      },
      { code: 'ENOENT', syscall: 'sendmsg' },
    );
    assert.throws(
      () => {
        native.notify('@nobody', 'READY=1', []);
      },
      { code: 'ECONNREFUSED' },
    );
    assert.throws(() => {
      native.notify('', 'READY=1', []);
    }, RangeError);
    assert.throws(() => {
      native.notify('/'.repeat(108), 'READY=1', []);
    }, RangeError);
    assert.throws(() => {
      native.notify('a\0b', 'READY=1', []);
    }, RangeError);
    assert.throws(() => {
      native.notify('a', 'READY=1', new Array<number>(254).fill(0));
    }, RangeError);
    assert.throws(() => {
      native.notify('a', 'READY=1', [-1]);
    }, RangeError);
    assert.throws(() => {
      native.notify('a', 'READY=1', ['0'] as never);
    }, TypeError);
    assert.throws(() => {
      native.notify('a', 1 as never, []);
    }, TypeError);
  });
});

describe('small calls', () => {
  it('finds interfaces by name', () => {
    assert.equal(native.interfaceIndex('lo'), 1);
    assert.equal(native.interfaceIndex('missing'), 0);
    assert.equal(native.interfaceIndex('much-too-long-for-a-name'), 0);
  });

  it('closes on exec what was inherited without it', () => {
    const fd = openSync('/dev/null', 'r');
    native.setCloseOnExec(fd);
    closeSync(fd);
    assert.throws(
      () => {
        native.setCloseOnExec(999_999);
      },
      { code: 'EBADF', syscall: 'fcntl(F_SETFD)' },
    );
  });
});
