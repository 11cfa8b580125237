// The sockets of IGMP and ICMPv6 messages, as mcroute-launch opens them and the addon has them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LAUNCH, TARGET } from '../support/launcher.js';
import { openNamespace } from '../support/namespaces.js';
import { FAMILIES, NETS, Program, addressWords, native, openTable } from './native-support.js';

/** Types that come in and one that does not; a group that every host is in. */
const MESSAGES = {
  4: { source: '10.0.1.5', group: '224.0.0.1', foreign: '10.77.0.1', accepted: 0x31, other: 0x11, fd: 5 },
  6: { source: 'fe80::5', group: 'ff02::1', foreign: 'fe80::77', accepted: 152, other: 130, fd: 7 },
} as const;

/** mrt4, mrt6, igmp4, packet, icmp6 are 3 to 7. */
const PACKET_FD = 6;

const BEGINNING = `
  const attempt = (call) => { try { return call() ?? 'taken'; } catch (error) { return error.code ?? error.name; } };
  const words = (numbers) => Uint32Array.from(numbers);`;

/** The last line that the program says; `ifindex` is of an interface that is up. */
async function inRouter(body: string): Promise<unknown> {
  using router = openNamespace('signalling');
  router.ip(
    'link add name sig0 type veth peer name sig1',
    'address add 10.0.1.5/24 dev sig0',
    'address add fe80::5/64 dev sig0 nodad',
    'link set sig0 up',
    'link set sig1 up',
  );
  // Else the other end of the pair hears all a second time.
  router.setSysctls({ 'net/ipv6/conf/sig1/disable_ipv6': 1 });
  const enter = ['nsenter', `--net=${router.path}`, '--'];
  const launcher = [...enter, LAUNCH, '--table', '1310', '--signalling', ...TARGET, '--'];
  const source = `${BEGINNING} const ifindex = ${router.ifindex('sig0')}; ${body}`;
  using program = new Program(source, { launcher });
  return await program.line();
}

for (const family of FAMILIES) {
  const { source, group, foreign, accepted, other, fd } = MESSAGES[family];
  const addresses = `
    const source = words(${JSON.stringify(addressWords(source))});
    const group = words(${JSON.stringify(addressWords(group))});
    const foreign = words(${JSON.stringify(addressWords(foreign))});`;
  const adopt = `const socket = native.adoptSignallingSocket(${family}, ${fd}); ${addresses}`;

  describe(`a socket of messages of IPv${family}`, () => {
    it('gives the messages of the types asked for, with interface, source and hop limit, and no others', async () => {
      const answer = await inRouter(`${adopt}
        socket.acceptTypes([${accepted}]);
        const received = [];
        socket.onReadable(() => {
          for (let one = socket.receive(); one !== undefined; one = socket.receive()) received.push(one);
          if (received.length < 2) return;
          say(received.map(({ ifindex: at, source, hopLimit, payload }) =>
            ({ isHere: at === ifindex, source: [...source], hopLimit, type: payload[0], last: payload[7] })));
          socket.close();
        });
        const send = (type, last) => socket.send(ifindex, source, group, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, last));
        send(${accepted}, 1);
        send(${other}, 2);
        send(${accepted}, 3);`);
      const message = { isHere: true, source: [...addressWords(source)], hopLimit: 1, type: accepted };
      assert.deepEqual(answer, [
        { ...message, last: 1 },
        { ...message, last: 3 },
      ]);
    });

    it('checks its arguments before any system call, and says what the kernel refuses', async () => {
      const answer = (await inRouter(`${adopt}
        const bytes = Uint8Array.of(1, 2, 3, 4);
        say([
          attempt(() => socket.send(0, source, group, bytes)),
          attempt(() => socket.send(ifindex, source.subarray(1), group, bytes)),
          attempt(() => socket.send(ifindex, source, [1], bytes)),
          attempt(() => socket.send(ifindex, source, group, 'text')),
          attempt(() => socket.acceptTypes([256])),
          attempt(() => socket.acceptTypes(new Array(65).fill(1))),
          attempt(() => socket.onReadable(1)),
          attempt(() => socket.send(4_000_000, source, group, bytes)),
          attempt(() => socket.send(ifindex, foreign, group, bytes)),
          attempt(() => socket.receive()),
          attempt(() => socket.close()),
          attempt(() => socket.close()),
          attempt(() => socket.send(ifindex, source, group, bytes)),
          attempt(() => socket.receive()),
        ]);`)) as readonly string[];
      const [a, b, c, d, e, f, g, away, notOwn, ...rest] = answer;
      assert.deepEqual(
        [a, b, c, d, e, f, g],
        ['RangeError', 'RangeError', 'TypeError', 'TypeError', 'RangeError', 'RangeError', 'TypeError'],
      );
      assert.match(`${away} ${notOwn}`, /^E[A-Z]+ E[A-Z]+$/);
      assert.deepEqual(rest, ['taken', 'taken', 'taken', 'EBADF', 'EBADF']);
    });

    it('is nothing else', () => {
      using table = openTable(family);
      const joins = native.openMembershipSocket(family);
      assert.throws(() => native.adoptSignallingSocket(family, joins.fd), { code: 'EPROTOTYPE' });
      assert.throws(() => native.adoptSignallingSocket(family === 4 ? 6 : 4, table.fd), { code: 'EPROTOTYPE' });
      assert.throws(() => native.adoptPacketSocket(table.fd), { code: 'EPROTOTYPE' });
      // What was refused is still its owner's.
      joins.join(1, Uint32Array.from(addressWords(NETS[family].group(1))));
      joins.close();
    });
  });
}

describe('a packet socket', () => {
  it('checks its arguments before any system call, and says what the kernel refuses', async () => {
    const answer = await inRouter(`
      const socket = native.adoptPacketSocket(${PACKET_FD});
      const mac = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
      const packet = new Uint8Array(32);
      say([
        attempt(() => socket.send(0, 0x0800, mac, packet)),
        attempt(() => socket.send(ifindex, 65536, mac, packet)),
        attempt(() => socket.send(ifindex, 0x0800, new Uint8Array(9), packet)),
        attempt(() => socket.send(ifindex, 0x0800, mac, [1])),
        attempt(() => socket.send(ifindex, 0x0800, mac, packet)),
        attempt(() => socket.send(4_000_000, 0x0800, mac, packet)),
        attempt(() => socket.close()),
        attempt(() => socket.send(ifindex, 0x0800, mac, packet)),
      ]);`);
    const refused = ['RangeError', 'RangeError', 'RangeError', 'TypeError'];
    assert.deepEqual(answer, [...refused, 'taken', 'ENXIO', 'taken', 'EBADF']);
  });
});
