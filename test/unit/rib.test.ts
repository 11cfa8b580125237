import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parsePrefix } from '../../src/model/address.js';
import type { Change } from '../../src/model/change.js';
import type { Mroute } from '../../src/model/mroute.js';
import { type Resource, type ResourceKey, sameResource } from '../../src/model/resource.js';
import { ChangeError, planChanges } from '../../src/agent/rib/apply.js';
import { History } from '../../src/agent/rib/history.js';
import { Rib, type Wish, planReplace, wishesOf } from '../../src/agent/rib/rib.js';
import { Slot } from '../../src/agent/rib/slot.js';

function mroute(group: string, oifs: readonly string[], iif = 'in0'): Mroute {
  return {
    key: { kind: 'mroute', iif, source: parsePrefix('0.0.0.0/0'), group: parsePrefix(group) },
    oifs: oifs.map((name) => ({ interface: name, ttlThreshold: undefined })),
    except: [],
    deny: false,
    label: '',
  };
}

function apply(rib: Rib, owner: string, changes: readonly Change[]): void {
  rib.commit(planChanges(rib, owner, changes).step);
}

function wishesUnder(rib: Rib, key: ResourceKey): readonly Wish[] {
  const slot = rib.find(key);
  return slot === undefined ? [] : wishesOf(slot);
}

const put = (resource: Resource): Change => ({ action: 'put', resource });
const names = (resource: Resource | undefined): string[] =>
  resource !== undefined && 'oifs' in resource ? resource.oifs.map((oif) => oif.interface) : [];

describe('the rib', () => {
  it('keeps a resource while one of its owners wants it', () => {
    const rib = new Rib();
    const route = mroute('239.1.1.1', ['out1']);
    const wishes = () => wishesUnder(rib, route.key);
    apply(rib, 'cli', [put(route)]);
    apply(rib, 'controller', [put(route)]);
    assert.deepEqual(wishes()[0]?.owners, ['cli', 'controller']);
    apply(rib, 'cli', [{ action: 'delete', key: route.key, mustExist: true }]);
    assert.deepEqual(wishes()[0]?.owners, ['controller']);
    apply(rib, 'controller', [{ action: 'delete', key: route.key, mustExist: true }]);
    assert.deepEqual(wishes(), []);
    assert.equal(rib.size, 0);
    assert.equal(rib.keyCount, 0);
  });

  it('shows owners who differ as wishes of their own', () => {
    const rib = new Rib();
    apply(rib, 'a', [put(mroute('239.1.1.1', ['out1']))]);
    apply(rib, 'b', [put(mroute('239.1.1.1', ['out2']))]);
    const wishes = wishesUnder(rib, mroute('239.1.1.1', []).key);
    assert.deepEqual(
      wishes.map(({ owners, resource }) => [owners, names(resource)]),
      [
        [['a'], ['out1']],
        [['b'], ['out2']],
      ],
    );
  });

  it('adds and removes oifs of what is there', () => {
    const rib = new Rib();
    const { key } = mroute('239.1.1.1', []);
    apply(rib, 'cli', [{ action: 'add-oifs', mroute: mroute('239.1.1.1', ['out2']) }]);
    apply(rib, 'cli', [{ action: 'add-oifs', mroute: mroute('239.1.1.1', ['out1']) }]);
    assert.deepEqual(names(rib.get('cli', key)), ['out1', 'out2']);
    apply(rib, 'cli', [{ action: 'remove-oifs', mroute: mroute('239.1.1.1', ['out1', 'out2']) }]);
    assert.deepEqual(names(rib.get('cli', key)), []);
    assert.notEqual(rib.get('cli', key), undefined);
  });

  it('takes all changes of a batch or none', () => {
    const rib = new Rib();
    apply(rib, 'cli', [put(mroute('239.1.1.1', ['out1']))]);
    const missing = mroute('239.9.9.9', ['out1']);
    for (const bad of [
      { action: 'delete', key: missing.key, mustExist: true },
      { action: 'remove-oifs', mroute: missing },
      { action: 'remove-oifs', mroute: mroute('239.1.1.1', ['out7']) },
    ] satisfies Change[]) {
      assert.throws(
        () => planChanges(rib, 'cli', [put(mroute('239.2.2.2', ['out1'])), bad]),
        (error) => error instanceof ChangeError && error.code === 'NOT_FOUND' && error.index === 1,
      );
    }
    assert.equal(rib.size, 1);
  });

  it('removing what is not there is no difference unless it must be', () => {
    const rib = new Rib();
    const { step, results } = planChanges(rib, 'cli', [
      { action: 'delete', key: mroute('239.1.1.1', []).key, mustExist: false },
    ]);
    assert.equal(step.differences.length, 0);
    assert.equal(results[0]?.effect, 'unchanged');
  });

  it('changes of one key in a batch take effect in order', () => {
    const group = fc.constantFrom('239.1.1.1', '239.1.1.2', '239.1.1.3');
    const oifs = fc.subarray(['out1', 'out2', 'out3']);
    const change = fc.oneof(
      fc.tuple(group, oifs).map(([of, to]): Change => put(mroute(of, to))),
      fc.tuple(group, oifs).map(([of, to]): Change => ({ action: 'add-oifs', mroute: mroute(of, to) })),
      group.map((of): Change => ({ action: 'delete', key: mroute(of, []).key, mustExist: false })),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const [atOnce, oneByOne] = [new Rib(), new Rib()];
        apply(atOnce, 'cli', changes);
        for (const each of changes) apply(oneByOne, 'cli', [each]);
        const state = (rib: Rib) =>
          Array.from(rib.ofOwner('cli'), ({ slot, resource }) => [slot.text, names(resource)]).sort();
        assert.deepEqual(state(atOnce), state(oneByOne));
        assert.equal(atOnce.size, oneByOne.size);
      }),
    );
  });

  it("replacing makes an owner's resources exactly those given, and nobody else's", () => {
    const routes = fc.uniqueArray(fc.tuple(fc.nat(9), fc.subarray(['out1', 'out2'])), { selector: ([n]) => n });
    const toRoutes = (of: readonly (readonly [number, readonly string[]])[]) =>
      of.map(([n, oifs]) => mroute(`239.1.1.${n}`, oifs));
    fc.assert(
      fc.property(routes, routes, routes, (before, after, others) => {
        const rib = new Rib();
        apply(rib, 'a', toRoutes(before).map(put));
        apply(rib, 'b', toRoutes(others).map(put));
        const wanted = toRoutes(after);
        rib.commit(planReplace(rib, 'a', wanted).step);
        assert.equal([...rib.ofOwner('a')].length, wanted.length);
        for (const route of wanted) {
          const held = rib.get('a', route.key);
          assert.ok(held !== undefined && sameResource(held, route));
        }
        assert.equal([...rib.ofOwner('b')].length, others.length);
        assert.equal(planReplace(rib, 'a', wanted).step.differences.length, 0);
      }),
    );
  });
});

describe('the history', () => {
  const slots = [1, 2, 3, 4, 5, 6].map((n) => new Slot(mroute(`239.0.0.${n}`, []).key));
  const after = (history: History, revision: bigint) => {
    const changed = history.after(revision);
    return changed && Array.from(changed, (slot) => slots.indexOf(slot) + 1).sort();
  };

  it('knows what changed after a revision, as far back as it reaches', () => {
    const history = new History(1n, 3);
    for (let n = 2; n <= 6; n++) history.add(BigInt(n), new Set(slots.slice(n - 1, n)));
    assert.deepEqual(after(history, 4n), [5, 6]);
    assert.deepEqual(after(history, 3n), [4, 5, 6]);
    assert.equal(history.after(2n), undefined);
    assert.deepEqual(after(history, 6n), []);
  });

  it('does not resume inside a revision of which it forgot a part', () => {
    const history = new History(1n, 3);
    history.add(2n, new Set(slots.slice(0, 4)));
    assert.equal(history.after(1n), undefined);
    assert.deepEqual(after(history, 2n), []);
  });
});
