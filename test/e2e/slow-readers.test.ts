// Clients that ask for much and do not read it: the agent's memory stays bounded, and others are served meanwhile.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { messages } from '../../src/api/client.js';
import { LISTS_MAX } from '../../src/model/limits.js';
import { apply, list, put, replace } from '../support/calls.js';
import { RawConnection, watchMessages } from '../support/raw-connection.js';
import { ServingAgent } from '../support/unharmed.js';
import { eventually, within } from '../support/wait.js';

/**
 * Growth of the agent's memory, in MiB, that says nothing: garbage that has not been collected, buffers in use. On a busy
 * machine 160 were seen; that nothing is kept for a slow reader is shown by what it is sent in the end.
 */
const GROWTH_MIB = 256;

const ROUTES = 20_000;

/** Routes that change, and how often. The first list of a watch is more than all buffers on the way to a client hold. */
const CHANGED = 5_000;
const ROUNDS = 4;

const READ_LIMIT_MS = 60_000;

let serving: ServingAgent;

before(async () => {
  serving = await ServingAgent.start(205);
  const resources = waiting(ROUTES).map((mroute) => ({ mroute }));
  await replace(serving.client, [{ owner: 'test', resources }]);
  // What a list and a change need is in the memory before anything is measured.
  await list(serving.client);
  await changeMany('before');
});

after(async () => {
  await replace(serving.client, [{ owner: 'test' }]);
  await serving.assertUnharmed();
  await serving.assertNothingLost();
  await serving[Symbol.asyncDispose]();
});

/** Rules with different groups, all of which wait for an interface; so the kernel's part costs nothing. */
function waiting(count: number, label = ''): Mroute[] {
  return Array.from({ length: count }, (_, n) => ({
    key: { iif: 'no-such', group: `239.1.${n >> 8}.${n & 255}` },
    oifs: [{ interface: 'out1' }],
    label,
  }));
}

async function changeMany(label: string): Promise<void> {
  for (let round = 1; round <= ROUNDS; round++) {
    await apply(serving.client, { changes: waiting(CHANGED, `${label} ${round}`).map(put) });
  }
}

function assertBounded(beforeMib: number): void {
  const now = serving.residentMib;
  assert.ok(now - beforeMib < GROWTH_MIB, `the agent had ${beforeMib} MiB and has ${now}`);
}

describe('a reader that does not read', () => {
  it('of a List of 20,000 routes does not make the agent grow, nor others wait', async () => {
    using connection = await RawConnection.open(serving.agent.socketPath);
    const before = serving.residentMib;
    const stream = await connection.callWithoutReading('List');
    const { entries } = await list(serving.client, { filter: { owner: 'bystander' } });
    assert.equal(entries.length, 2);
    assertBounded(before);
    stream.close();
  });

  it('of a Watch costs a set of keys while 20,000 changes happen, and then gets the last state of each', async () => {
    using connection = await RawConnection.open(serving.agent.socketPath);
    const slow = await connection.callWithoutReading('Watch');
    const fast = new Labels();
    const watching = fast.readUntil(messages(serving.client.Watch({})), `then ${ROUNDS}`);
    const before = serving.residentMib;
    await changeMany('then');
    await within(watching, 'the other watcher sees the last change of every route', READ_LIMIT_MS);
    assertBounded(before);

    const late = new Labels();
    const last = late.readUntil(watchMessages(slow), `then ${ROUNDS}`);
    await within(last, 'the slow watcher gets the last state of every route', READ_LIMIT_MS);
    assert.ok(late.events < ROUTES + 2 * CHANGED, `${late.events} events: coalesced by key`);
    slow.close();
  });

  it('of many Lists keeps others from listing, with the reason, and no longer than it stays', async () => {
    using connection = await RawConnection.open(serving.agent.socketPath);
    const streams = await Promise.all(Array.from({ length: LISTS_MAX }, () => connection.callWithoutReading('List')));
    await assert.rejects(list(serving.client), { reason: 'RESOURCE_LIMIT' });
    for (const stream of streams) stream.close();
    await eventually(
      () =>
        list(serving.client).then(
          ({ entries }) => entries.length,
          () => undefined,
        ),
      'lists are served again',
    );
  });
});

/** The labels that a watch has told, by group. */
class Labels {
  readonly #labels = new Map<string, string>();
  events = 0;

  /** Reads until all routes that are changed have the label. */
  async readUntil(stream: AsyncIterable<WatchResponse__Output>, label: string): Promise<void> {
    let found = 0;
    for await (const message of stream) {
      for (const { put: entries } of message.events) {
        this.events++;
        const mroute = entries?.entries[0]?.resource?.mroute;
        const group = mroute?.key?.group;
        if (!mroute || group === undefined) continue;
        if (mroute.label === label && this.#labels.get(group) !== label) found++;
        this.#labels.set(group, mroute.label);
      }
      if (found === CHANGED) return;
    }
    assert.fail(`the watch ended after ${this.events} events, with ${found} of ${CHANGED} routes`);
  }
}
