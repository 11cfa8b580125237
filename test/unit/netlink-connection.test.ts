import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type NetlinkEvent, openNetlinkNotifications } from '../../src/agent/netlink/connection.js';
import { type NetlinkNotifications, NetlinkRequests } from '../../src/agent/netlink/connection.js';
import { linkDumpRequest, parseLink } from '../../src/agent/netlink/link.js';
import { type NetlinkMessage, encodeMessage, parseDatagram } from '../../src/agent/netlink/message.js';
import { mfcDumpRequest, mfcGetRequest, parseMfcEntry } from '../../src/agent/netlink/mroute.js';
import type { NewsKind } from '../../src/agent/netlink/news.js';
import { addMruleRequest, mruleDumpRequest, parseMrule } from '../../src/agent/netlink/rule.js';
import { parseAddress } from '../../src/model/address.js';
import { FakeNetlinkSocket, addressed, message, readDatagrams, skipRecorded } from '../support/netlink.js';

const ADD = addMruleRequest({
  family: 'ipv4',
  direction: 'iif',
  interface: 'eth0',
  table: 123,
  priority: 4000,
  protocol: 77,
});

let socket: FakeNetlinkSocket;
let requests: NetlinkRequests;

beforeEach(() => {
  socket = new FakeNetlinkSocket();
  requests = new NetlinkRequests(socket);
});

/** Answers each request with the next of these recordings; the last serves all further ones. */
function answerWith(...names: readonly string[]): void {
  let next = 0;
  socket.onRequest = ({ sequence }) => {
    const name = names[Math.min(next++, names.length - 1)] ?? assert.fail('no answer');
    socket.incoming.push(...readDatagrams(name).map((datagram) => addressed(datagram, sequence)));
  };
}

function datagram(...messages: readonly NetlinkMessage[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(messages.map(encodeMessage)));
}

/** As the kernel marks each message of a dump that something changed under. */
function interrupted(bytes: Uint8Array): Uint8Array {
  return datagram(...parseDatagram(bytes).map((part) => ({ ...part, flags: part.flags | 0x10 })));
}

void it('a request asks for an ack, and each has a sequence of its own', { skip: skipRecorded }, () => {
  answerWith('mrule-accepted');
  requests.execute(ADD);
  requests.execute(ADD);
  const [first, second] = socket.sent;
  // NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE
  assert.equal(first?.flags, 0x605);
  assert.equal(first.type, 32);
  assert.deepEqual(first.payload, ADD.payload);
  assert.notEqual(first.sequence, second?.sequence);
});

void it('a refusal is an error like those of Node, with the words of the kernel', { skip: skipRecorded }, () => {
  answerWith('mrule-exists', 'mrule-refused');
  assert.throws(
    () => {
      requests.execute(ADD);
    },
    { code: 'EEXIST', errno: -17, syscall: 'RTM_NEWRULE', message: 'EEXIST: file already exists, RTM_NEWRULE' },
  );
  assert.throws(
    () => {
      requests.execute(ADD);
    },
    { code: 'ERANGE', errno: -34, text: 'Error parsing msg', message: 'ERANGE: Error parsing msg, RTM_NEWRULE' },
  );
});

void it('a dump asks for no ack and gives what the parser knows', { skip: skipRecorded }, () => {
  answerWith('mrule-dump-ipv4');
  assert.equal(requests.dump(mruleDumpRequest('ipv4'), parseMrule).length, 9);
  assert.equal(socket.sent[0]?.flags, 0x301);
  answerWith('link-dump');
  const names = requests
    .dump(linkDumpRequest(), parseLink)
    .map((news) => (news.event === 'link' ? news.link.name : ''));
  assert.deepEqual(names, ['lo', 'eth0', 'eth1', 'eth2', 'peer0', 'peer1', 'peer2', 'br0']);
});

void it('a dump of a table that does not exist is refused at its end', { skip: skipRecorded }, () => {
  answerWith('mfc-dump-missing-ipv4');
  assert.throws(() => requests.dump(mfcDumpRequest('ipv4', 124), parseMfcEntry), {
    code: 'ENOENT',
    syscall: 'RTM_GETROUTE',
    text: 'ipv4: MR table does not exist',
  });
});

void it('one thing is asked for with its ack', { skip: skipRecorded }, () => {
  const [entry] = parseDatagram(readDatagrams('mfc-changes')[0] ?? assert.fail());
  assert.ok(entry !== undefined);
  socket.onRequest = ({ sequence }) => {
    socket.incoming.push(addressed(datagram({ ...entry, portId: 0 }), sequence));
    socket.incoming.push(...readDatagrams('mrule-accepted').map((ack) => addressed(ack, sequence)));
  };
  const request = mfcGetRequest(123, parseAddress('10.1.0.5'), parseAddress('239.1.1.1'));
  assert.equal(requests.get(request, parseMfcEntry)?.entry.iif, 10);
  assert.equal(socket.sent[0]?.flags, 0x5);
});

void it('answers to others and to earlier requests are skipped', { skip: skipRecorded }, () => {
  const [refusal] = readDatagrams('mrule-exists');
  const [ack] = readDatagrams('mrule-accepted');
  assert.ok(refusal !== undefined && ack !== undefined);
  socket.onRequest = ({ sequence }) => {
    socket.incoming.push(addressed(refusal, sequence - 1), addressed(refusal, sequence, 1), addressed(ack, sequence));
  };
  requests.execute(ADD);
  assert.equal(socket.incoming.length, 0);
});

void it('an answer that does not come is a bug', () => {
  assert.throws(() => {
    requests.execute(ADD);
  }, /^Error: bug: the answer to RTM_NEWRULE has no end$/);
});

void it('an interrupted dump is asked for again', { skip: skipRecorded }, () => {
  let left = 3;
  socket.onRequest = ({ sequence }) => {
    const answer = readDatagrams('mrule-dump-ipv4').map((part) => addressed(part, sequence));
    socket.incoming.push(...(left-- > 0 ? answer.map(interrupted) : answer));
  };
  assert.equal(requests.dump(mruleDumpRequest('ipv4'), parseMrule).length, 9);
  assert.equal(socket.sent.length, 4);
});

void it('a dump that is interrupted each time is given up', { skip: skipRecorded }, () => {
  socket.onRequest = ({ sequence }) => {
    // The end of a dump may be all that says so.
    const [list, end] = readDatagrams('mfc-dump-ipv4').map((part) => addressed(part, sequence));
    assert.ok(list !== undefined && end !== undefined);
    socket.incoming.push(list, interrupted(end));
  };
  assert.throws(() => requests.dump(mfcDumpRequest('ipv4', 123), parseMfcEntry), {
    code: 'EINTR',
    syscall: 'RTM_GETROUTE',
  });
  assert.equal(socket.sent.length, 4);
});

void it('what is left of a broken answer is read before the next request', { skip: skipRecorded }, () => {
  socket.onRequest = ({ sequence }) => {
    const rest = readDatagrams('mrule-dump-ipv4').map((part) => addressed(part, sequence));
    socket.incoming.push(Uint8Array.of(1, 2, 3), ...rest);
  };
  assert.throws(() => requests.dump(mruleDumpRequest('ipv4'), parseMrule), { code: 'NETLINK_FORMAT' });
  assert.ok(socket.incoming.length > 0);
  let waiting = -1;
  socket.onRequest = ({ sequence }) => {
    waiting = socket.incoming.length;
    socket.incoming.push(...readDatagrams('mrule-accepted').map((part) => addressed(part, sequence)));
  };
  requests.execute(ADD);
  assert.equal(waiting, 0, 'nothing of it is left when the next is sent');
});

void it('closing closes the socket', () => {
  requests.close();
  assert.ok(socket.isClosed);
});

interface Heard {
  readonly events: NetlinkEvent[];
  readonly notifications: NetlinkNotifications;
}

function listen(kinds: readonly NewsKind[], onEvents: () => void = () => undefined): Heard {
  const events: NetlinkEvent[] = [];
  const addon = { openNetlinkSocket: () => socket };
  const notifications = openNetlinkNotifications(addon, kinds, (heard) => {
    events.push(...heard);
    onEvents();
  });
  return { events, notifications };
}

const ALL: readonly NewsKind[] = [
  'link',
  'link-gone',
  'address',
  'address-gone',
  'mrule',
  'mrule-gone',
  'mfc',
  'mfc-gone',
  'netconf',
];

void it('the groups of the kinds of news are joined, each once', () => {
  listen(ALL);
  assert.deepEqual(
    socket.groups.sort((a, b) => a - b),
    [1, 5, 6, 8, 9, 10, 19, 24, 25],
  );
});

void it('only the groups that are needed are joined', () => {
  listen(['link', 'link-gone', 'mfc-gone']);
  assert.deepEqual(socket.groups, [1, 6, 10]);
});

void it('a group that cannot be joined leaves no open socket', () => {
  socket.refusedGroup = 5;
  assert.throws(() => listen(ALL), /refused/);
  assert.ok(socket.isClosed);
});

void it('news comes in the order of the kernel', { skip: skipRecorded }, () => {
  const { events } = listen(ALL);
  for (const name of ['link-add-delete', 'address-changes', 'mrule-changes', 'mfc-changes', 'netconf-changes']) {
    socket.incoming.push(...readDatagrams(name));
  }
  socket.wake();
  const kinds = events.map(({ event }) => event);
  const runs = kinds.filter((kind, index) => kind !== kinds[index - 1]);
  assert.deepEqual(runs, [
    'link',
    'link-gone',
    'address',
    'address-gone',
    'mrule',
    'mrule-gone',
    'mfc',
    'mfc-gone',
    'netconf',
  ]);
});

void it('kinds that were not asked for are left out', { skip: skipRecorded }, () => {
  const { events } = listen(['mfc-gone']);
  socket.incoming.push(...readDatagrams('mfc-changes'));
  socket.wake();
  assert.deepEqual(
    events.map(({ event }) => event),
    ['mfc-gone', 'mfc-gone'],
  );
});

void it('lost news is a resync, and what comes after it is told', { skip: skipRecorded }, () => {
  for (const code of ['ENOBUFS', 'EMSGSIZE'] as const) {
    socket = new FakeNetlinkSocket();
    const { events } = listen(ALL);
    socket.incoming.push(code, ...readDatagrams('netconf-changes'));
    socket.wake();
    assert.deepEqual(events[0], { event: 'resync', reason: 'overflow' });
    assert.equal(events.length, 5);
  }
});

void it('news that cannot be read is a resync', () => {
  const { events } = listen(ALL);
  socket.incoming.push(datagram(message(80, Uint8Array.of(2))));
  socket.wake();
  assert.deepEqual(events, [{ event: 'resync', reason: 'format' }]);
});

void it('any other error of the socket is not hidden', () => {
  listen(ALL);
  socket.incoming.push('EIO');
  assert.throws(() => {
    socket.wake();
  }, /EIO/);
});

void it('a flood is read in parts, so that others have their turn', { skip: skipRecorded }, async () => {
  const { events } = listen(['netconf']);
  const [news] = readDatagrams('netconf-changes');
  assert.ok(news !== undefined);
  for (let count = 0; count < 200; count++) socket.incoming.push(news);
  socket.wake();
  const told = [events.length];
  for (let count = 0; count < 10; count++) {
    await turn();
    told.push(events.length);
  }
  assert.deepEqual(told.slice(0, 5), [64, 128, 192, 200, 200]);
});

void it('a handler may close what calls it', { skip: skipRecorded }, async () => {
  const heard = listen(['netconf'], () => {
    heard.notifications.close();
  });
  const [news] = readDatagrams('netconf-changes');
  assert.ok(news !== undefined);
  for (let count = 0; count < 200; count++) socket.incoming.push(news);
  socket.wake();
  await turn();
  assert.ok(socket.isClosed);
  assert.equal(heard.events.length, 64, 'and hears no more');
});

void it('the kernel is told which messages are wanted, so that the others cost nothing', () => {
  listen(['link', 'mfc-gone']);
  assert.deepEqual(socket.acceptedTypes, [16, 25]);
});
