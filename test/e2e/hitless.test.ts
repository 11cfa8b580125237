// Streams of both families go on while agent and supervisor are killed, one after the other and at once, and replaced.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { HitlessRig, planBlows } from '../support/hitless.js';
import { Random } from '../support/random.js';

const ROUTES = 10_000;
const BLOWS = Number(process.env['MCROUTE_HITLESS_BLOWS'] ?? 8);

describe(`with ${ROUTES} routes and streams of both families`, () => {
  it(`${BLOWS} kills and restarts at random moments lose and double nothing, and leave all as it was`, async (t) => {
    const seed = Number(process.env['MCROUTE_HITLESS_SEED'] ?? Date.now() % 100_000);
    const plan = planBlows(new Random(seed), BLOWS, 300);
    t.diagnostic(`seed ${seed}`);
    using rig = new HitlessRig();
    await rig.open(ROUTES);
    const before = await rig.state();
    for (const { blow, afterMs } of plan) {
      // A moment that nothing tells is what is tested.
      await delay(afterMs);
      await rig.strike(blow);
    }
    const after = await rig.state();
    const { streams, socketDrops, leaves } = await rig.close();
    assert.equal(socketDrops, 0, 'the receiver itself was too slow');
    assert.deepEqual(
      streams.map(({ group, lost, duplicated }) => ({ group, lost, duplicated })),
      streams.map(({ group }) => ({ group, lost: 0, duplicated: 0 })),
    );
    assert.equal(streams.length, 6);
    assert.deepEqual(after, before);
    assert.deepEqual(leaves, []);
    assert.equal(await rig.host.end('SIGTERM'), 0, rig.host.log);
    assert.deepEqual(rig.host.keeper.names, []);
  });
});
