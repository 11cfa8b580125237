// Requests that cannot be served as a whole: what is refused changes nothing, and does no harm.
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { after, afterEach, before, describe, it } from 'node:test';
import { messages, unary } from '../../src/api/client.js';
import { apply, deadline, list, put, refused, replace, route } from '../support/calls.js';
import { RawConnection, replaceFrame } from '../support/raw-connection.js';
import { ServingAgent } from '../support/unharmed.js';

const TABLE = 202;

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

const INVALID = { key: { iif: 'in0', group: '10.0.0.1' } };

/** What the owner of the tests has: groups and labels. */
async function held(): Promise<string[]> {
  const { entries } = await list(serving.client, { filter: { owner: 'test' } });
  return entries.map(({ resource }) => `${resource?.mroute?.key?.group ?? ''} ${resource?.mroute?.label ?? ''}`.trim());
}

describe('a batch is all or nothing', () => {
  it('when one of its changes is invalid', async () => {
    await refused(apply(serving.client, { changes: [put(route('239.1.1.1')), put(INVALID)] }), 'INVALID_FIELD');
    assert.deepEqual(await held(), []);
  });

  it('when one of its changes takes away what is not there', async () => {
    await apply(serving.client, { changes: [put(route('239.1.1.1', { label: 'old' }))] });
    const before = await list(serving.client);
    const missing = { mroute: { iif: 'in0', group: '239.1.1.9' } };
    for (const [last, says] of [
      [
        { deleteExisting: missing },
        /^changes\[2\]: owner 'test' has no mroute \(\*, 239\.1\.1\.9\) in0; see 'mcctl show'/,
      ],
      [{ removeOifs: route('239.1.1.9') }, /^changes\[2\]: owner 'test' has no mroute/],
      [
        { removeOifs: route('239.1.1.1', { oifs: [{ interface: 'out2' }] }) },
        /^changes\[2\]: 'out2' is not among the oifs/,
      ],
    ] as const) {
      const changes = [put(route('239.1.1.1', { label: 'new' })), put(route('239.1.1.2')), last];
      const error = await refused(apply(serving.client, { changes }), 'NOT_FOUND');
      assert.match(error.message, says);
      assert.equal(error.metadata['field'], 'changes[2]');
    }
    assert.deepEqual(await list(serving.client), before);
  });

  it('when a rule would grow over its limit', async () => {
    const oifs = (first: number, count: number) =>
      Array.from({ length: count }, (_, n) => ({ interface: `x${first + n}` }));
    await apply(serving.client, { changes: [put(route('239.1.1.1', { oifs: oifs(0, 60) }))] });
    const before = await list(serving.client);
    const changes = [put(route('239.1.1.2')), { addOifs: route('239.1.1.1', { oifs: oifs(60, 5) }) }];
    const error = await refused(apply(serving.client, { changes }), 'INVALID_FIELD');
    assert.match(error.message, /changes\[1\]: the rule would have 65 oifs; at most 64 .*wildcard/);
    assert.deepEqual(await list(serving.client), before);
  });

  it('and taking away what only another owner has is NOT_FOUND', async () => {
    const key = { mroute: { iif: 'in0', group: '239.255.0.1' } };
    await refused(apply(serving.client, { changes: [{ deleteExisting: key }] }), 'NOT_FOUND');
    const { results } = await apply(serving.client, { changes: [{ delete: key }] });
    assert.equal(results[0]?.effect, 'EFFECT_UNCHANGED', 'a plain delete is idempotent');
  });
});

describe('a condition that does not hold refuses, and changes nothing', () => {
  it('expected_revision, which the sentence tells', async () => {
    const { revision } = await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
    for (const expectedRevision of ['0', String(BigInt(revision) - 1n), '18446744073709551615']) {
      const changes = [put(route('239.1.1.2'))];
      const error = await refused(apply(serving.client, { changes, expectedRevision }), 'REVISION_MISMATCH');
      assert.match(error.message, new RegExp(`at revision ${revision}, not ${expectedRevision}: read it again`));
      await refused(replace(serving.client, [{ owner: 'test', expectedRevision }]), 'REVISION_MISMATCH');
    }
    assert.deepEqual(await held(), ['239.1.1.1']);
    const now = await apply(serving.client, { changes: [], expectedRevision: revision });
    assert.equal(now.revision, revision, 'the refused ones did not count');
  });

  it('strict, when there are warnings', async () => {
    const loop = route('239.1.1.1', { oifs: [{ interface: 'in0' }] });
    const before = await list(serving.client);
    const calls = [
      () => apply(serving.client, { changes: [put(route('239.1.1.2')), put(loop)], strict: true }),
      () => replace(serving.client, [{ owner: 'test', resources: [{ mroute: loop }], strict: true }]),
      () => apply(serving.client, { changes: [put(loop)], strict: true, validateOnly: true }),
    ];
    for (const call of calls) {
      const error = await refused(call(), 'WARNINGS');
      assert.match(error.message, /refused because of warnings and 'strict': mroute \(\*, 239\.1\.1\.1\) in0: LOOP: /);
    }
    assert.deepEqual(await list(serving.client), before);
    const kernel = serving.topology.router.run('ip', ['mroute', 'show', 'table', String(TABLE)]);
    assert.doesNotMatch(kernel, /239\.1\.1\.[12]/);
  });

  it('the table of another agent, in every method', async () => {
    const { client } = serving;
    const table = TABLE + 1;
    const calls = [
      () => unary((callback) => client.GetCapabilities({ table }, deadline(), callback)),
      () => apply(client, { table, changes: [put(route('239.1.1.1'))] }),
      () => replace(client, [{ table, owner: 'test' }]),
      () => list(client, { table }),
      () => drain(messages(client.Watch({ table }, deadline()))),
      () => drain(messages(client.ListMfc({ table }, deadline()))),
      () => unary((callback) => client.ListInterfaces({ table }, deadline(), callback)),
      () => unary((callback) => client.ListMrules({ table }, deadline(), callback)),
      () => unary((callback) => client.Flush({ table }, deadline(), callback)),
    ];
    for (const call of calls) {
      const error = await refused(call(), 'TABLE_NOT_FOUND');
      assert.match(error.message, /this agent serves table 202, not 203: ask that table's agent/);
      assert.equal(error.metadata['table'], '202');
    }
    assert.deepEqual(await held(), []);
  });

  it('after_revision of a table that never was so far', async () => {
    const call = serving.client.Watch({ afterRevision: '999999' }, deadline());
    const error = await refused(drain(messages(call)), 'REVISION_COMPACTED');
    assert.match(error.message, /revision 999999 is not known here: watch again without after_revision/);
  });
});

describe('validate_only changes nothing', () => {
  it('of rules that forward, not even for a packet', async () => {
    const mroute = { key: { iif: 'in0', group: '239.255.0.1' }, oifs: [{ interface: 'out2' }] };
    const owner = 'bystander';
    for (let repeats = 0; repeats < 20; repeats++) {
      await apply(serving.client, { owner, changes: [put(mroute)], validateOnly: true });
      await replace(serving.client, [{ owner, resources: [], validateOnly: true }]);
    }
    await serving.assertUnharmed();
  });

  it('and tells what an Apply would do', async () => {
    await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
    const before = await list(serving.client);
    const changes = [
      put(route('239.1.1.1', { label: 'x' })),
      put(route('239.1.1.2')),
      { delete: { mroute: route('239.1.1.1').key ?? null } },
    ];
    const { results, revision } = await apply(serving.client, { changes, validateOnly: true });
    assert.deepEqual(
      results.map(({ effect, entry }) => [effect, entry]),
      [
        ['EFFECT_CHANGED', null],
        ['EFFECT_ADDED', null],
        ['EFFECT_REMOVED', null],
      ],
    );
    assert.equal(revision, before.revision);
    assert.deepEqual(await list(serving.client), before);
  });

  it('and tells the difference that a Replace would make', async () => {
    await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
    const before = await list(serving.client);
    const resources = [{ mroute: route('239.1.1.2') }];
    const reply = await replace(serving.client, [{ owner: 'test', resources, validateOnly: true }]);
    assert.deepEqual([reply.added, reply.removed, reply.unchanged], [1, 1, 0]);
    assert.deepEqual(
      reply.differences.map((d) => [d.before?.mroute?.key?.group, d.after?.mroute?.key?.group]),
      [
        ['239.1.1.1', undefined],
        [undefined, '239.1.1.2'],
      ],
    );
    assert.deepEqual(await list(serving.client), before);
  });
});

describe('a Replace has no effect', () => {
  it('without a first message', async () => {
    const error = await refused(replace(serving.client, []), 'INVALID_FIELD');
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ['owner'],
    );
  });

  it('when its third message has what is invalid, which is told by its place in the whole', async () => {
    await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
    const error = await refused(
      replace(serving.client, [
        { owner: 'test', resources: [{ mroute: route('239.1.1.2') }, { mroute: route('239.1.1.3') }] },
        { resources: [{ mroute: route('239.1.1.4') }] },
        { resources: [{ mroute: route('239.1.1.5') }, { mroute: INVALID }, {}] },
        { resources: [{ mroute: INVALID }] },
      ]),
      'INVALID_FIELD',
    );
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ['resources[4].mroute.key.group', 'resources[5]', 'resources[6].mroute.key.group'],
    );
    assert.deepEqual(await held(), ['239.1.1.1']);
  });

  for (const ending of ['cancels it', 'loses its connection'] as const) {
    it(`when its client ${ending} in the middle`, async () => {
      await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
      const before = await list(serving.client);
      using connection = await RawConnection.open(serving.agent.socketPath);
      const call = connection.call('Replace');
      call.write(replaceFrame({ owner: 'test', resources: [{ mroute: route('239.1.1.2') }] }));
      await connection.settle();
      if (ending === 'cancels it') {
        connection.reset();
        await connection.settle();
      } else {
        await connection.cut();
      }
      assert.deepEqual(await list(serving.client), before);
    });
  }

  it('when its client, one on Node, half-closes as it gives up, but had said how many resources there are', async () => {
    await apply(serving.client, { changes: [put(route('239.1.1.1'))] });
    const before = await list(serving.client);
    using connection = await RawConnection.open(serving.agent.socketPath);
    const call = connection.call('Replace');
    const resources = [{ mroute: route('239.1.1.2') }];
    call.write(replaceFrame({ owner: 'test', resources, resourceCount: 2 }));
    await connection.settle();
    call.close(constants.NGHTTP2_CANCEL);
    await connection.settle();
    assert.deepEqual(await list(serving.client), before);
    const error = await refused(
      replace(serving.client, [{ owner: 'test', resources, resourceCount: 2 }]),
      'INVALID_FIELD',
    );
    assert.match(error.message, /resource_count: 2 resources were announced and 1 came/);
    await replace(serving.client, [{ owner: 'test', resources, resourceCount: 1 }]);
    assert.deepEqual(await held(), ['239.1.1.2']);
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const message of stream) count += message === undefined ? 0 : 1;
  return count;
}
