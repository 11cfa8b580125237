// What comes over the wire and is not as it should be: bytes that no client of ours sends, packets that no sender should.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { messages } from '../../src/api/client.js';
import { ApiError } from '../../src/api/status.js';
import { callWithBytes, deadline, list, refused, replace } from '../support/calls.js';
import { openPackets } from '../support/packets.js';
import { ServingAgent } from '../support/unharmed.js';
import { eventually } from '../support/wait.js';

const TABLE = 203;

let serving: ServingAgent;

before(async () => {
  serving = await ServingAgent.start(TABLE);
});

after(async () => {
  await serving.assertNothingLost();
  await serving[Symbol.asyncDispose]();
});

afterEach(async () => {
  await replace(serving.client, [{ owner: 'test' }]);
  await serving.assertUnharmed();
});

/** What the owner of the tests has. */
async function held(): Promise<string[]> {
  const { entries } = await list(serving.client, { filter: { owner: 'test' } });
  return entries.map(({ resource }) => resource?.mroute?.key?.group ?? '');
}

describe('bytes that no client of ours sends', () => {
  /** Field 1000, length-delimited, which does not exist. */
  const UNKNOWN_FIELD = Buffer.from([0xc2, 0x3e, 3, 1, 2, 3]);
  const OWNER = Buffer.from([0x12, 4, ...Buffer.from('test')]);
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const text = (number: number, value: string) => field(number, Buffer.from(value));
  const putOf = (...mroute: Buffer[]) => field(3, field(2, field(1, Buffer.concat(mroute))));
  const KEY = field(1, Buffer.concat([text(1, 'in0'), text(3, '239.1.1.1')]));

  it('a field number that does not exist is accepted and ignored at every depth, as proto3 says', async () => {
    const change = putOf(KEY, UNKNOWN_FIELD, field(2, Buffer.concat([text(1, 'out1'), UNKNOWN_FIELD])));
    await callWithBytes(serving.client, 'Apply', Buffer.concat([UNKNOWN_FIELD, OWNER, change, UNKNOWN_FIELD]));
    assert.deepEqual(await held(), ['239.1.1.1']);
  });

  it('an action or a kind of resource that does not exist yet is INVALID_FIELD: it would be taken for nothing', async () => {
    for (const [change, path] of [
      [field(3, field(15, KEY)), 'changes[0]'],
      [field(3, field(2, field(15, KEY))), 'changes[0].put'],
      [field(3, field(3, field(15, KEY))), 'changes[0].delete'],
    ] as const) {
      const call = callWithBytes(serving.client, 'Apply', Buffer.concat([OWNER, change]));
      const error = await refused(call, 'INVALID_FIELD');
      assert.deepEqual(
        error.violations.map((violation) => violation.field),
        [path],
      );
      assert.match(error.message, /this agent (knows|does not know)/);
    }
    assert.deepEqual(await held(), []);
  });

  it('a kind or a state that does not exist is INVALID_FIELD in a filter: nothing would match', async () => {
    // View and filter of ListRequest; 99 as a packed element.
    const filter = field(3, Buffer.from([0x12, 1, 99, 0x1a, 1, 99]));
    const error = await refused(readBytes('List', filter), 'INVALID_FIELD');
    assert.deepEqual(
      error.violations.map((violation) => violation.field),
      ['filter.kinds[0]', 'filter.states[0]'],
    );
    assert.match(error.message, /'99' is not a kind that this agent knows/);
  });

  it('a view that does not exist is the basic one', async () => {
    assert.ok((await readBytes('List', Buffer.from([0x10, 99]))) > 0);
  });

  it('a group that is not UTF-8 is no group', async () => {
    const key = field(1, Buffer.concat([text(1, 'in0'), field(3, Buffer.from([0xff, 0xfe, 0xed, 0xa0, 0x80]))]));
    await refused(callWithBytes(serving.client, 'Apply', Buffer.concat([OWNER, putOf(key)])), 'INVALID_FIELD');
  });

  it('what is no message at all is refused', async () => {
    for (const bytes of [Buffer.from([0xff, 0xff, 0xff]), Buffer.alloc(10_000, 0xff), Buffer.from([0x1a, 0x7f])]) {
      for (const method of ['Apply', 'Flush', 'Replace', 'GetCapabilities']) {
        await assert.rejects(callWithBytes(serving.client, method, bytes), ApiError);
      }
    }
    assert.deepEqual(await held(), []);
  });

  it('a method that does not exist is refused', async () => {
    await assert.rejects(callWithBytes(serving.client, 'Overthrow', OWNER), /does not implement the method/);
  });

  function readBytes(method: string, bytes: Buffer): Promise<number> {
    const stream = serving.client.makeServerStreamRequest(
      `/mcroute.v1.RoutingService/${method}`,
      (request: Buffer) => request,
      (reply) => reply,
      bytes,
      deadline(),
    );
    return drain(messages(stream));
  }
});

describe('packets that no sender should send', () => {
  it('an IPv6 packet without a source makes no entry, which the kernel would take for a (*,G) one', async () => {
    const { router } = serving.topology;
    const group = 'ff1e::beef';
    const resources = [{ mroute: { key: { iif: 'in0', group: 'ff1e::/16' }, oifs: [{ interface: 'out2' }] } }];
    await replace(serving.client, [{ owner: 'test', resources }]);
    const host = serving.topology.sender(0);
    const link = { router, routerInterface: 'in0', host: host.namespace, hostInterface: 'eth0' };
    using packets = await openPackets([link]);
    const entryOf = (source: string) =>
      router
        .run('ip', ['-6', 'mroute', 'show', 'table', String(TABLE)])
        .split('\n')
        .find((line) => line.startsWith(`(${source},${group})`));
    await packets.exchange([
      { id: 1, iif: 'in0', source: '::', group },
      { id: 2, iif: 'in0', source: '2001:db8:1000::7', group },
    ]);
    await eventually(() => /Oifs: out2/.exec(entryOf('2001:db8:1000::7') ?? '')?.[0], 'the entry of the proper source');
    assert.match(entryOf('::') ?? 'none', /none|unresolved/);
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const message of stream) count += message === undefined ? 0 : 1;
  return count;
}
