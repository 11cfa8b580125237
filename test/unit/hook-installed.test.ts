import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LearnedFlow } from '../../src/agent/kernel/port.js';
import { formatAddress } from '../../src/model/address.js';
import { openEngine, settle } from '../support/engine-bench.js';

/** An engine, and what it has told of installed flows: a list for each call. */
function openObserved(options: Parameters<typeof openEngine>[0] = {}) {
  const calls: string[][] = [];
  const bench = openEngine(options);
  bench.engine.onInstalled((flows) => calls.push(flows.map(flowText)));
  return { ...bench, calls };
}

function flowText({ source, group }: LearnedFlow): string {
  return `(${formatAddress(source)}, ${formatAddress(group)})`;
}

const SOURCES = ['(10.0.0.1, 239.1.0.1)', '(10.0.0.2, 239.1.0.1)'];

describe('installed flows', () => {
  it('are told of once, in order, and never inside a turn', async () => {
    const { put, send, calls, engine } = openObserved();
    put('cli', '(*, 239.1.0.0/16) eth0 > eth1');
    send('eth0', 1);
    send('eth0', 2);
    engine.audit();
    assert.equal(calls.length, 0);
    await settle();
    send('eth0', 1);
    await settle();
    assert.deepEqual(calls, [SOURCES]);
  });

  it('are those that are forwarded, and that no (S,G) and no exact (*,G) rule serves', async () => {
    const { put, send, calls } = openObserved();
    put('cli', '(*, 239.1.0.2) eth0 > eth1', '(*, 239.1.0.3) eth0 >', '(10.0.0.1, 239.1.0.1) eth0 > eth1');
    for (const group of [1, 2, 3, 4]) send('eth0', 1, 'ipv4', group);
    await settle();
    assert.deepEqual(calls, []);
  });

  it('are all sources of a (*,G) rule where these are learned', async () => {
    const { put, send, calls } = openObserved({ starG: 'learn' });
    put('cli', '(*, 239.1.0.1) eth0 > eth1');
    send('eth0', 1);
    send('eth0', 2);
    await settle();
    assert.deepEqual(calls.flat(), SOURCES);
  });

  it('are new ones when they come again', async () => {
    const { put, send, calls, engine } = openObserved({ starG: 'learn' });
    put('cli', '(*, 239.1.0.1) eth0 > eth1');
    send('eth0', 1);
    await settle();
    assert.equal(engine.flush(), 1);
    send('eth0', 1);
    await settle();
    assert.deepEqual(calls.flat(), [SOURCES[0], SOURCES[0]]);
  });

  it('are told of when events were lost: those that are new', async () => {
    const { put, send, calls, kernel } = openObserved({ starG: 'learn' });
    put('cli', '(*, 239.1.0.1) eth0 > eth1');
    send('eth0', 1);
    await settle();
    send('eth0', 2);
    kernel.loseUpcalls();
    await settle();
    assert.deepEqual(calls.flat(), SOURCES);
  });

  it('are not told of when they have gone already, nor when the engine has stopped', async () => {
    const { put, send, calls, engine } = openObserved({ starG: 'learn' });
    put('cli', '(*, 239.1.0.1) eth0 > eth1');
    send('eth0', 1);
    engine.flush();
    await settle();
    send('eth0', 2);
    engine.audit();
    engine.stop();
    await settle();
    assert.deepEqual(calls, []);
  });
});
