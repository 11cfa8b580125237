// Messages as they come over the wire, and the one field that is read of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { routingDefinition, tableDefinition } from '../../src/api/load.js';
import { MessageSplitter, frame } from '../../src/gateway/messages.js';
import { SessionCounter } from '../../src/gateway/session-changes.js';
import { readTable, readTableInFront } from '../../src/gateway/table-field.js';

const MAX = 1_000;

describe('messages', () => {
  it('are the same however the bytes come in', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sent, pieces) => {
        const bytes = Buffer.concat(sent.map((body) => frame(body)));
        const splitter = new MessageSplitter(MAX);
        const got: Buffer[] = [];
        for (let at = 0, index = 0; at < bytes.length; index++) {
          const end = at + (pieces[index % pieces.length] ?? 1);
          const { messages, fault } = splitter.add(bytes.subarray(at, end));
          assert.equal(fault, undefined);
          got.push(...messages);
          at = end;
        }
        assert.equal(splitter.begunBytes, 0);
        assert.deepEqual(
          got,
          sent.map((body) => frame(body)),
        );
      }),
    );
  });

  it('tell how much one will have that has begun', () => {
    const splitter = new MessageSplitter(MAX);
    const bytes = frame(Buffer.alloc(100));
    splitter.add(bytes.subarray(0, 3));
    assert.equal(splitter.begunBytes, 3);
    splitter.add(bytes.subarray(3, 9));
    assert.equal(splitter.begunBytes, 105);
    assert.equal(splitter.add(bytes.subarray(9)).messages.length, 1);
  });

  it('end where one is too large or compressed, whatever comes of it', () => {
    const good = frame(Buffer.from('good'));
    const large = frame(Buffer.alloc(MAX + 1));
    const compressed = Buffer.from(good);
    compressed[0] = 1;
    for (const [bad, expected] of [
      [large, 'too large'],
      [compressed, 'compressed'],
    ] as const) {
      for (const cut of [0, 2, 5]) {
        const splitter = new MessageSplitter(MAX);
        const first = splitter.add(Buffer.concat([good, bad.subarray(0, cut)]));
        const rest = first.fault === undefined ? splitter.add(bad.subarray(cut)) : first;
        assert.deepEqual(first.messages, [good]);
        assert.equal(rest.fault, expected);
      }
    }
    assert.equal(new MessageSplitter(MAX).add(frame(Buffer.alloc(MAX))).fault, undefined);
  });
});

describe('the table of a request', () => {
  const { Apply } = routingDefinition();
  const { StopTable } = tableDefinition();

  it('is that of its first field', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.string(), (table, owner) => {
        const bytes = Apply.requestSerialize({ table, owner });
        assert.equal(readTable(bytes), table);
        assert.equal(readTableInFront(bytes), table);
      }),
    );
  });

  it('is what the server will take it for where there are several', () => {
    const twice = Buffer.concat([StopTable.requestSerialize({ table: 5 }), StopTable.requestSerialize({ table: 7 })]);
    assert.equal(StopTable.requestDeserialize(twice).table, 7);
    assert.equal(readTable(twice), 7);
  });

  it('is found behind other fields, and is 0 without one', () => {
    const behind = Buffer.concat([Apply.requestSerialize({ owner: 'me' }), Buffer.from([0x08, 9])]);
    assert.equal(readTableInFront(behind), 9);
    assert.equal(readTableInFront(Buffer.alloc(0)), 0);
    assert.equal(readTable(Buffer.alloc(0)), 0);
  });

  it('is unknown of bytes that are no message, which end nothing', () => {
    assert.equal(readTable(Buffer.from([0x08])), undefined);
    assert.equal(readTableInFront(Buffer.from([0x12, 0xff, 1])), undefined);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        readTable(Buffer.from(bytes));
        readTableInFront(Buffer.from(bytes));
      }),
    );
  });
});

describe('the counts of a session', () => {
  const { Modify } = routingDefinition();

  it('are summed up over its answers', () => {
    const counter = new SessionCounter();
    const results = [{ id: '1' }, { id: '2' }];
    counter.add(
      Modify.responseSerialize({ revision: '18014398509481985', results, batch: '1', added: 300, refused: 1 }),
    );
    counter.add(Modify.responseSerialize({ revision: '18014398509481986', added: 2, changed: 3, removed: 4 }));
    assert.ok(counter.hasChanges);
    assert.deepEqual(counter.take(), {
      revision: 18014398509481986n,
      added: 302,
      changed: 3,
      removed: 4,
      refused: 1,
    });
    assert.ok(!counter.hasChanges);
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const counter = new SessionCounter();
        counter.add(Buffer.from(bytes));
        assert.ok(counter.take().added >= 0);
      }),
    );
  });
});
