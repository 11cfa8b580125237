// What the other tests rely on: that the networks, streams and packets of test/support are what they say.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addBridge, connect, openNamespace } from '../support/namespaces.js';
import { type Packet, openPackets } from '../support/packets.js';
import { routerTopology } from '../support/topology.js';
import { openTraffic } from '../support/traffic.js';
import type { SendReport } from '../support/traffic-protocol.js';
import { eventually, waitForExit, waitForLine } from '../support/wait.js';

const GROUPS = ['239.1.1.1', 'ff1e::1'];

/** Two hosts on one wire. */
function openWire() {
  const left = openNamespace('left');
  const right = openNamespace('right');
  connect(
    { namespace: left, interface: 'eth0', addresses: ['10.9.0.1/24', '2001:db8:9::1/64'] },
    { namespace: right, interface: 'eth0', addresses: ['10.9.0.2/24', '2001:db8:9::2/64'] },
  );
  return {
    left,
    right,
    [Symbol.dispose]: () => {
      right[Symbol.dispose]();
      left[Symbol.dispose]();
    },
  };
}

describe('namespaces', () => {
  it('bring up, take down, rename and delete interfaces', () => {
    using wire = openWire();
    const flags = (interfaceName: string) =>
      (wire.left.ipJson(`link show dev ${interfaceName}`) as readonly { flags: string[] }[])[0]?.flags ?? [];
    assert.ok(flags('eth0').includes('LOWER_UP'));
    wire.right.setDown('eth0');
    assert.ok(!flags('eth0').includes('LOWER_UP'));
    wire.left.setDown('eth0');
    wire.left.rename('eth0', 'wan');
    wire.left.setUp('wan');
    assert.ok(wire.left.ifindex('wan') > 0);
    wire.left.delete('wan');
    assert.throws(() => wire.left.ifindex('wan'), /does not exist/);
  });

  it('set and read sysctls of their own', () => {
    using wire = openWire();
    wire.left.setSysctls({ 'net/ipv4/conf/eth0/rp_filter': 2, 'net/ipv6/conf/eth0/hop_limit': 9 });
    assert.equal(wire.left.sysctl('net/ipv4/conf/eth0/rp_filter'), '2');
    assert.equal(wire.left.sysctl('net/ipv6/conf/eth0/hop_limit'), '9');
    assert.equal(wire.right.sysctl('net/ipv4/conf/eth0/rp_filter'), '0');
  });

  it('tell why a command failed', () => {
    using wire = openWire();
    assert.throws(() => {
      wire.left.ip('link set eth0 up', 'link set eth7 up');
    }, /eth7/);
    assert.throws(() => wire.left.run('sh', ['-c', 'echo from the program >&2; exit 3']), /from the program/);
  });

  it('end with their programs', async () => {
    const namespace = openNamespace('short');
    const program = namespace.spawn('sh', ['-c', 'echo ready; sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(program.stdout);
    await waitForLine(program.stdout, /^ready$/);
    assert.ok(namespace.pids().includes(program.pid ?? 0));
    namespace[Symbol.dispose]();
    assert.equal(await waitForExit(program), 'SIGKILL');
    assert.throws(() => namespace.run('true'), /netns/);
  });

  it('of a router topology are connected as their addresses say', () => {
    using topology = routerTopology({ senders: 2, receivers: 2 });
    for (const { namespace, routerInterface } of [...topology.senders, ...topology.receivers]) {
      const [peer] = namespace.ipJson('link show dev eth0') as readonly { link_index: number }[];
      assert.equal(peer?.link_index, topology.router.ifindex(routerInterface));
    }
    assert.deepEqual(
      [topology.sender(0), topology.receiver(2)].map((host) => [host.routerInterface, host.ipv4, host.ipv6]),
      [
        ['in0', '10.0.0.2', '2001:db8:1000::2'],
        ['out2', '10.1.2.2', '2001:db8:2002::2'],
      ],
    );
  });
});

describe('traffic', () => {
  it('arrives complete and in order over a wire, for many groups of both families', async () => {
    using wire = openWire();
    using sending = openTraffic(wire.left);
    using receiving = openTraffic(wire.right);
    const groups = Array.from({ length: 30 }, (_, n) => [`239.2.0.${n}`, `ff1e::2:${n.toString(16)}`]).flat();
    const receiver = await receiving.receive({ interface: 'eth0', groups });
    const sender = await sending.send({ interface: 'eth0', groups, rate: 6_000, count: 50 });
    const report = await receiver.collect(await sender.finish());
    assert.equal(report.streams.length, groups.length);
    for (const { longestGapMs, ...stream } of report.streams) {
      assert.ok(longestGapMs > 0);
      const source = stream.group.includes(':') ? '2001:db8:9::1' : '10.9.0.1';
      assert.deepEqual(stream, { ...perfect(source, stream.group), received: 50, last: 49 });
    }
    assert.equal(report.socketDrops, 0);
  });

  it('is seen to be lost while the wire is cut', async () => {
    using wire = openWire();
    using sending = openTraffic(wire.left);
    using receiving = openTraffic(wire.right);
    const receiver = await receiving.receive({ interface: 'eth0', groups: GROUPS });
    const sender = await sending.send({ interface: 'eth0', groups: GROUPS, rate: 2_000 });
    await receiver.awaitPackets(100);
    wire.right.setDown('eth0');
    const sentBefore = sentOf(await sender.report());
    await eventually(async () => (sentOf(await sender.report()) > sentBefore + 200 ? true : undefined), '200 packets');
    wire.right.setUp('eth0');
    const { streams } = await receiver.report();
    await receiver.awaitPackets(sum(streams.map((stream) => stream.received)) + 100);
    const sent = await sender.stop();
    const report = await receiver.collect(sent);
    assert.equal(report.streams.length, 2);
    for (const stream of report.streams) {
      assert.ok(stream.lost > 0, `${stream.group} lost nothing`);
      const all = sent.streams.find(({ group }) => group === stream.group)?.sent;
      assert.equal(stream.received + stream.lost, all);
    }
    assert.equal(report.socketDrops, 0);
  });

  it('is not received by who has not joined, nor from who is not the source', async () => {
    using wire = openWire();
    wire.left.ip('address add 10.9.0.77/24 dev eth0');
    using sending = openTraffic(wire.left);
    using receiving = openTraffic(wire.right);
    const wrongGroup = await receiving.receive({ interface: 'eth0', groups: ['239.1.1.2'], port: 6_000 });
    const oneSource = await receiving.receive({ interface: 'eth0', groups: ['239.1.1.1'], source: '10.9.0.77' });
    for (const source of ['10.9.0.1', '10.9.0.77']) {
      const options = { interface: 'eth0', groups: ['239.1.1.1'], rate: 1_000, count: 20, source };
      await (await sending.send(options)).finish();
    }
    await oneSource.awaitPackets(20);
    assert.deepEqual(
      (await oneSource.report()).streams.map(({ source, received }) => ({ source, received })),
      [{ source: '10.9.0.77', received: 20 }],
    );
    assert.deepEqual((await wrongGroup.report()).streams, []);
  });

  it('tells of streams of which nothing arrived', async () => {
    using wire = openWire();
    using sending = openTraffic(wire.left);
    using receiving = openTraffic(wire.right);
    const receiver = await receiving.receive({ interface: 'eth0', groups: ['239.1.1.2'] });
    const sender = await sending.send({ interface: 'eth0', groups: ['239.1.1.1'], rate: 1_000, count: 5 });
    const report = await receiver.collect(await sender.finish(), 50);
    assert.deepEqual(report.streams, [
      { ...perfect('10.9.0.1', '239.1.1.1'), lost: 5, first: -1, last: -1, longestGapMs: 0 },
    ]);
  });

  it('says which interface cannot serve', async () => {
    using wire = openWire();
    using sending = openTraffic(wire.left);
    await assert.rejects(sending.send({ interface: 'eth7', groups: ['239.1.1.1'], rate: 1 }), /eth7 is down or has no/);
  });
});

describe('packets', () => {
  it('are seen where a bridge sends them, in both families, and nowhere else', async () => {
    using bridge = openBridge();
    using packets = await openPackets(bridge.links, { hops: 0 });
    const sent = PORTS.flatMap((iif, n): Packet[] => [
      { id: 2 * n, iif, source: `192.0.2.${n}`, group: '239.7.7.7' },
      { id: 2 * n + 1, iif, source: `2001:db8:0:0::${n}`, group: 'ff1e::0:7', ttl: 3 },
    ]);
    const others = (iif: string) => PORTS.filter((port) => port !== iif);
    const expected = new Map(sent.map(({ id, iif }) => [id, others(iif)]));
    assert.deepEqual(await packets.exchange(sent), expected);

    // Each end of a link that is down, and an interface that is gone and comes back as another.
    bridge.switch.setDown('c');
    const withoutC = new Map(sent.map(({ id, iif }) => [id, iif === 'c' ? [] : others(iif).filter((p) => p !== 'c')]));
    assert.deepEqual(await packets.exchange(sent), withoutC);
    bridge.switch.delete('c');
    assert.deepEqual(await packets.exchange(sent), withoutC);
    bridge.plug('c');
    assert.deepEqual(await packets.exchange(sent), expected);
  });

  it('go through the kernel in their thousands, whatever the size of the batches', async () => {
    using bridge = openBridge();
    using packets = await openPackets(bridge.links, { hops: 0 });
    const sent = Array.from({ length: 3_000 }, (_, id): Packet => {
      return { id, iif: PORTS[id % 3] ?? '', source: '198.51.100.7', group: '233.252.0.1' };
    });
    let answered = 0;
    const seen = await packets.exchange(sent, {
      batch: 100,
      answered: () => {
        answered++;
        return Promise.resolve();
      },
    });
    assert.equal(answered, 30);
    assert.equal(seen.size, sent.length);
    for (const { id, iif } of sent) assert.equal(seen.get(id)?.length, 2, `packet ${id} from ${iif}`);
  });

  it('that come out with another TTL than a router gives them are an error', async () => {
    using bridge = openBridge();
    using packets = await openPackets(bridge.links);
    const packet = { id: 1, iif: 'a', source: '192.0.2.1', group: '239.7.7.7', ttl: 9 };
    await assert.rejects(packets.exchange([packet]), /sent .*"ttl":9.* seen .*"ttl":9/);
  });
});

const PORTS = ['a', 'b', 'c'];

/** A bridge that floods, with the ports a, b, c and behind each the interface of the same name of one host. */
function openBridge() {
  const bridge = openNamespace('switch');
  const host = openNamespace('host');
  const plug = (name: string) => {
    connect({ namespace: bridge, interface: name }, { namespace: host, interface: name });
  };
  PORTS.forEach(plug);
  addBridge(bridge, 'br0', PORTS, { snooping: false });
  return {
    switch: bridge,
    links: PORTS.map((name) => ({ router: bridge, routerInterface: name, host, hostInterface: name })),
    /** Connects a port again. */
    plug: (name: string) => {
      plug(name);
      bridge.ip(`link set dev ${name} master br0`);
    },
    [Symbol.dispose]: () => {
      host[Symbol.dispose]();
      bridge[Symbol.dispose]();
    },
  };
}

/** The numbers of a stream without faults; `received` and `last` are for the test to say. */
function perfect(source: string, group: string) {
  return { source, group, received: 0, lost: 0, duplicated: 0, reordered: 0, first: 0, last: 0 };
}

function sentOf(report: SendReport): number {
  return sum(report.streams.map((stream) => stream.sent));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
