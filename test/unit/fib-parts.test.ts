import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { explain } from '../../src/agent/fib/explain.js';
import { InterfaceWishes } from '../../src/agent/fib/interface-wishes.js';
import { uniteOifs, vifsIn } from '../../src/agent/fib/oifs.js';
import { PrefixTrie } from '../../src/agent/fib/prefix-trie.js';
import { VifTable } from '../../src/agent/fib/vif-table.js';
import { interfacesOf } from '../../src/agent/fib/wildcard.js';
import { type Wish, makeWish } from '../../src/agent/fib/wish.js';
import { type Prefix, covers, formatPrefix, maskAddress, parseAddress, parsePrefix } from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import { fakeLink } from '../support/fake-kernel.js';
import { mroute } from '../support/fib-turns.js';
import { conditionsOf, interfaceSettings } from '../support/interface-conditions.js';

describe('a wildcard', () => {
  const links = [
    fakeLink(1, 'lo', { isLoopback: true }),
    fakeLink(2, 'eth0'),
    fakeLink(3, 'eth1', { isUp: false }),
    fakeLink(4, 'eth2', { hasMulticast: false }),
    ...['gre0', 'gretap0', 'erspan0', 'ip6tnl0', 'sit0', 'ip6gre0', 'tunl0', 'ip_vti0', 'ip6_vti0'].map((name, index) =>
      fakeLink(10 + index, name),
    ),
    fakeLink(30, 'pimreg'),
    fakeLink(31, 'pimreg123'),
    fakeLink(32, 'pim6reg5'),
    fakeLink(33, 'gre1'),
  ];

  it('stands for interfaces that are up and can do multicast, not for loopback and fallback devices', () => {
    assert.deepEqual(interfacesOf('+', links), ['eth0', 'gre1']);
    assert.deepEqual(interfacesOf('eth+', links), ['eth0']);
    assert.deepEqual(interfacesOf('wan+', links), []);
  });

  it('is not an exact name, which stands for its interface whatever the flags', () => {
    assert.deepEqual(
      ['lo', 'eth1', 'eth2', 'gre0'].flatMap((name) => interfacesOf(name, links)),
      ['lo', 'eth1', 'eth2', 'gre0'],
    );
    assert.deepEqual(interfacesOf('eth', links), []);
  });
});

describe('vif numbers', () => {
  it('are the lowest free ones and stay with their names', () => {
    const table = new VifTable(3);
    assert.deepEqual(
      ['a', 'b', 'a', 'c'].map((name) => table.assign(name)?.number),
      [0, 1, 0, 2],
    );
    assert.equal(table.assign('d'), undefined);
  });

  it('go to another name only when released, the one released first, and none is free', () => {
    const table = new VifTable(3);
    const [a, b] = ['a', 'b'].map((name) => table.assign(name) ?? assert.fail());
    assert.ok(a !== undefined && b !== undefined);
    table.release(b);
    table.release(a);
    assert.equal(table.assign('c')?.number, 2, 'a free one is left');
    assert.equal(table.assign('d')?.number, 1);
    assert.equal(table.get('b'), undefined);
    assert.equal(table.assign('a')?.number, 0, 'the name takes its number back');
    assert.equal(table.assign('e'), undefined);
  });
});

describe('the trie', () => {
  const prefixes = fc
    .record({ family: fc.constantFrom('10.1.2.3', '10.1.3.7', '239.255.0.1', '0.0.0.0'), length: fc.nat({ max: 32 }) })
    .map(({ family, length }): Prefix => ({ address: maskAddress(parseAddress(family), length), length }));

  it('finds what covers and what is covered, as asking all would', () => {
    const cases = fc.record({ added: fc.array(prefixes), removed: fc.array(prefixes), asked: prefixes });
    fc.assert(
      fc.property(cases, ({ added, removed, asked }) => {
        const trie = new PrefixTrie<string>();
        const model = new Map<string, Prefix>();
        for (const prefix of added) {
          trie.set(prefix, formatPrefix(prefix));
          model.set(formatPrefix(prefix), prefix);
        }
        for (const prefix of removed) {
          trie.delete(prefix);
          model.delete(formatPrefix(prefix));
        }
        const all = [...model].sort(([, a], [, b]) => a.length - b.length);
        assert.deepEqual(
          trie.covering(asked),
          all.filter(([, prefix]) => covers(prefix, asked)).map(([text]) => text),
        );
        assert.deepEqual(
          trie.covered(asked).sort(),
          all
            .filter(([, prefix]) => covers(asked, prefix))
            .map(([text]) => text)
            .sort(),
        );
      }),
    );
  });
});

it('sets of vifs hold all 32', () => {
  assert.deepEqual(vifsIn(0xffffffff), [...Array(32).keys()]);
  assert.deepEqual(vifsIn(0x80000001), [0, 31]);
});

it('the union of oifs has the lower threshold of both', () => {
  const a = [
    { vif: 1, ttlThreshold: 5 },
    { vif: 3, ttlThreshold: 1 },
  ];
  const b = [
    { vif: 0, ttlThreshold: 2 },
    { vif: 1, ttlThreshold: 3 },
  ];
  assert.deepEqual(uniteOifs(a, b), [
    { vif: 0, ttlThreshold: 2 },
    { vif: 1, ttlThreshold: 3 },
    { vif: 3, ttlThreshold: 1 },
  ]);
});

describe('the wishes of several owners for an interface', () => {
  const nothing = { threshold: false, participation: false, boundaries: false };
  const open = (enablesInterfaces = true) => {
    const wishes = new InterfaceWishes(enablesInterfaces);
    const ids = new Map<string, Wish>();
    const set = (id: string, differing: Parameters<typeof interfaceSettings>[1] | undefined) => {
      const settings = interfaceSettings('eth0', differing ?? {});
      const wish = ids.get(id) ?? makeWish(id, settings);
      ids.set(id, wish);
      return wishes.set(wish, 'eth0', differing && settings);
    };
    return { wishes, set };
  };

  it('come to the highest threshold', () => {
    const { wishes, set } = open();
    assert.equal(wishes.ttlThresholdOf('eth0'), 1);
    assert.deepEqual(set('a', { ttlThreshold: 5 }), { ...nothing, threshold: true });
    assert.deepEqual(set('b', { ttlThreshold: 3 }), nothing);
    assert.equal(wishes.ttlThresholdOf('eth0'), 5);
    assert.deepEqual(
      Array.from(wishes.of('eth0'), ({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(set('a', undefined), { ...nothing, threshold: true });
    assert.equal(wishes.ttlThresholdOf('eth0'), 3);
  });

  it('come to no part if one wants none, else to a part if one wants it, else to what the agent says', () => {
    for (const enablesInterfaces of [true, false]) {
      const { wishes, set } = open(enablesInterfaces);
      const changed = { ...nothing, participation: true };
      assert.equal(wishes.takesPart('eth0'), enablesInterfaces);
      assert.deepEqual(set('a', {}), nothing);
      assert.equal(wishes.takesPart('eth0'), enablesInterfaces);
      assert.deepEqual(set('b', { isEnabled: true }), enablesInterfaces ? nothing : changed);
      assert.equal(wishes.takesPart('eth0'), true);
      assert.deepEqual(set('a', { isEnabled: false }), changed);
      assert.equal(wishes.takesPart('eth0'), false);
      set('b', undefined);
      set('a', undefined);
      assert.equal(wishes.takesPart('eth0'), enablesInterfaces);
    }
  });

  it('come to the boundaries of all, each once', () => {
    const { wishes, set } = open();
    const [local, site] = [parsePrefix('239.255.0.0/16'), parsePrefix('ff05::/16')];
    assert.deepEqual(set('a', { boundaries: [local, site] }), { ...nothing, boundaries: true });
    assert.deepEqual(set('b', { boundaries: [local] }), nothing);
    assert.deepEqual(wishes.boundariesOf('eth0').map(formatPrefix), ['239.255.0.0/16', 'ff05::/16']);
    assert.deepEqual(set('a', undefined), { ...nothing, boundaries: true });
    assert.deepEqual(wishes.boundariesOf('eth0').map(formatPrefix), ['239.255.0.0/16']);
    assert.deepEqual(wishes.boundariesOf('eth1'), []);
  });
});

describe('an explanation', () => {
  const links = [fakeLink(1, 'eth0'), fakeLink(2, 'eth1'), fakeLink(3, 'eth2')];
  const source = parseAddress('10.0.0.1');
  const group = parseAddress('239.1.0.1');
  const ask = (texts: readonly string[], settings: readonly InterfaceSettings[] = []) =>
    explain(
      texts.map((text) => mroute(text)),
      links,
      'eth0',
      source,
      group,
      conditionsOf(settings),
    );

  it('unites all rules that match, names them, and takes the lowest threshold', () => {
    const found = ask([
      '(*, 239.1.0.1) eth0 > eth1@9 eth2',
      '(10.0.0.1, 239.1.0.0/24) eth+ > eth1@4',
      '(*, 239.2.0.1) eth0 > eth1',
    ]);
    assert.equal(found.outcome, 'forwarded');
    assert.deepEqual(
      [...found.oifs],
      [
        ['eth1', 4],
        ['eth2', 1],
      ],
    );
    assert.equal(found.rules.length, 2);
  });

  it('takes the threshold of the interface where the oif has none', () => {
    const found = ask(['(*, 239.1.0.1) eth0 > eth1'], [interfaceSettings('eth1', { ttlThreshold: 7 })]);
    assert.deepEqual(found.outcome === 'forwarded' && [...found.oifs], [['eth1', 7]]);
  });

  it('leaves the iif out of wildcard oifs and keeps it where it is named', () => {
    const wildcard = ask(['(*, 239.1.0.1) eth0 > eth+']);
    assert.deepEqual(wildcard.outcome === 'forwarded' && [...wildcard.oifs.keys()], ['eth1', 'eth2']);
    const exact = ask(['(*, 239.1.0.1) eth0 > eth0']);
    assert.deepEqual(exact.outcome === 'forwarded' && [...exact.oifs.keys()], ['eth0']);
  });

  it('says why a packet is dropped', () => {
    const reason = (texts: readonly string[], settings: readonly InterfaceSettings[] = []) => {
      const found = ask(texts, settings);
      return found.outcome === 'dropped' && found.reason;
    };
    assert.equal(reason([]), 'no-rule');
    assert.equal(reason(['(*, 239.1.0.1) eth0 > eth1', '(10.0.0.0/8, 239.0.0.0/8) + > deny']), 'deny');
    assert.equal(reason(['(*, 239.1.0.1) eth0 > away0']), 'no-oif');
    const bounded = (name: string) => [interfaceSettings(name, { boundaries: [parsePrefix('239.1.0.0/16')] })];
    assert.equal(reason(['(*, 239.1.0.1) eth0 > eth1'], bounded('eth0')), 'boundary');
    assert.equal(reason(['(*, 239.1.0.1) eth0 > eth1'], bounded('eth1')), 'no-oif');
    const disabled = (name: string) => [interfaceSettings(name, { isEnabled: false })];
    assert.equal(reason(['(*, 239.1.0.1) eth0 > eth1'], disabled('eth0')), 'no-rule');
    assert.equal(reason(['(*, 239.1.0.1) eth0 > eth1'], disabled('eth1')), 'no-oif');
  });

  it('lets excepted sources pass a rule by', () => {
    const found = explain([mroute('(*, 239.1.0.1) eth0 > eth1', ['10.0.0.0/24'])], links, 'eth0', source, group);
    assert.equal(found.outcome, 'dropped');
  });
});
