import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SourceIndex } from '../../src/agent/fib/source-index.js';
import { type GroupProgram, GroupCompiler, type StarG, compileGroup } from '../../src/agent/fib/star-g.js';
import { decideMove, decideStaying, decideUpcall } from '../../src/agent/fib/upcall.js';
import type { VifRule } from '../../src/agent/kernel/port.js';
import { anyPrefix, formatAddress, parseAddress, parsePrefix } from '../../src/model/address.js';

const GROUP = parsePrefix('239.1.0.1');

/** `0 > 1 2`, `0 from 10.0.0.1 > 1`, `0 except 10.0.0.0/8 > 1`, `0 > deny`. */
function rule(text: string): VifRule {
  const match = /^(\d+)(?: from (\S+))?(?: except (\S+))? >(.*)$/.exec(text);
  if (match === null) throw new Error(`'${text}' is not a rule`);
  const [, iif = '', source, except, oifs = ''] = match;
  return {
    iif: Number(iif),
    source: source === undefined ? anyPrefix('ipv4') : parsePrefix(source),
    except: except === undefined ? [] : [parsePrefix(except)],
    group: GROUP,
    deny: oifs.trim() === 'deny',
    oifs: [...oifs.matchAll(/\d+/g)].map(([vif]) => ({ vif: Number(vif), ttlThreshold: 1 })),
  };
}

function compile(texts: readonly string[], starG: StarG = 'kernel'): GroupProgram {
  return compileGroup([new SourceIndex(texts.map(rule))], starG);
}

function proxies(program: GroupProgram): string[] {
  return program.proxies.map(({ iif, oifs }) => `${iif} > ${oifs.map(({ vif }) => vif).join(' ')}`);
}

function sources(program: GroupProgram): string[] {
  return [...program.sources.values()].map(
    ({ source, iif, oifs }) => `${formatAddress(source)} ${iif} > ${oifs.map(({ vif }) => vif).join(' ')}`,
  );
}

function reasons(program: GroupProgram): Record<string, string> {
  return Object.fromEntries(program.upcallReasons);
}

describe('a group', () => {
  it('with a (*,G) rule gets one (*,G) entry and asks for nothing', () => {
    const program = compile(['0 > 1 2']);
    assert.deepEqual(proxies(program), ['0 > 1 2']);
    assert.equal(program.upcallIifs, 0);
  });

  it('unites the oifs of the rules of one iif', () => {
    assert.deepEqual(proxies(compile(['0 > 1', '0 > 2'])), ['0 > 1 2']);
  });

  it('has no entry for an iif that a deny rule closes', () => {
    assert.deepEqual(proxies(compile(['0 > 1', '0 > deny'])), []);
  });

  it('adds the entry of an iif before those of its oifs, so that these are asked first', () => {
    assert.deepEqual(proxies(compile(['0 > 1', '1 > 2', '3 > 0'])), ['3 > 0', '0 > 1', '1 > 2']);
  });

  it('answers pairs and rings by upcalls, and what feeds them', () => {
    const program = compile(['0 > 1', '1 > 2', '2 > 0', '3 > 2', '4 > 5']);
    assert.deepEqual(reasons(program), {
      0: 'bidirectional',
      1: 'bidirectional',
      2: 'bidirectional',
      3: 'feeds-upcall-iif',
    });
    assert.deepEqual(proxies(program), ['4 > 5']);
  });

  it('answers a hairpin by upcalls, because a (*,G) entry never sends back', () => {
    assert.deepEqual(reasons(compile(['0 > 0 1'])), { 0: 'hairpin' });
  });

  it('answers a source prefix by upcalls only if it changes the answer', () => {
    assert.deepEqual(reasons(compile(['0 > 1', '0 from 10.0.0.0/8 > 2'])), { 0: 'source-prefix' });
    assert.deepEqual(reasons(compile(['0 > 1', '0 from 10.0.0.0/8 > 1'])), {});
  });

  it('answers an except prefix by upcalls only if it changes the answer', () => {
    assert.deepEqual(reasons(compile(['0 except 10.0.0.0/8 > 1'])), { 0: 'except-prefix' });
    assert.deepEqual(reasons(compile(['0 except 10.0.0.0/8 > 1', '0 from 10.0.0.0/8 > 1'])), {});
  });

  it('never matches a rule that excepts every source', () => {
    assert.deepEqual(proxies(compile(['0 except 0.0.0.0/0 > 1'])), []);
  });

  it('makes an entry that drops for a source that is excepted', () => {
    const program = compile(['0 except 10.0.0.1 > 1']);
    assert.deepEqual(proxies(program), ['0 > 1']);
    assert.deepEqual(sources(program), ['10.0.0.1 0 > ']);
  });

  it('makes entries for exact sources beforehand, with the oifs of the (*,G) rules of the iif', () => {
    const program = compile(['0 > 1', '0 from 10.0.0.1 > 2', '0 from 10.0.0.2 > 1', '0 from 10.0.0.3 > deny']);
    assert.deepEqual(sources(program), ['10.0.0.1 0 > 1 2', '10.0.0.3 0 > ']);
    assert.deepEqual(proxies(program), ['0 > 1']);
  });

  it('answers a source that may use two iifs by upcalls where it is special, and leaves the other iif to its entry', () => {
    const program = compile(['0 from 10.0.0.1 > 2', '1 > 3']);
    assert.deepEqual(reasons(program), { 0: 'several-iifs-for-source' });
    assert.deepEqual(proxies(program), ['1 > 3']);
    assert.deepEqual([...program.contested.values()], [0b11]);
    assert.deepEqual(sources(program), []);
  });

  it('learns every source where that is asked for', () => {
    const program = compile(['0 > 1', '0 from 10.0.0.1 > 2'], 'learn');
    assert.deepEqual(proxies(program), []);
    assert.equal(program.upcallIifs, 0xffffffff);
    assert.deepEqual(sources(program), ['10.0.0.1 0 > 1 2']);
  });

  it('uses vif 31 as any other', () => {
    const program = compile(['31 > 30', '30 > 31', '0 > 29']);
    assert.equal(program.upcallIifs, 0xc0000000);
    assert.deepEqual(proxies(program), ['0 > 29']);
  });

  it('with ten thousand sources is compiled in time that grows with them, not with their square', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => rule(`0 from 10.1.${n >> 8}.${n & 255} > 1`));
    let reads = 0;
    const counted = many.map((each) => ({
      ...each,
      get iif() {
        reads++;
        return each.iif;
      },
    }));
    assert.equal(compileGroup([new SourceIndex(counted)], 'kernel').sources.size, 10_000);
    assert.ok(reads < 20 * many.length, `${reads} reads`);
  });
});

describe('a group with one rule', () => {
  const plain = ({ sources, proxies: entries, upcallIifs, upcallReasons, contested }: GroupProgram) => ({
    sources: [...sources],
    proxies: entries,
    upcallIifs,
    upcallReasons: [...upcallReasons],
    contested: [...contested],
  });

  it('has the program that it would have among others', () => {
    const prefixes = ['0.0.0.0/0', '10.0.0.0/24', '10.0.0.1', '10.0.0.2'].map(parsePrefix);
    const excepts = [[], ...prefixes.map((prefix) => [prefix])];
    for (const starG of ['kernel', 'learn'] as const) {
      const compiler = new GroupCompiler(starG);
      for (const text of ['0 > 1', '0 >', '0 > 1 2', '0 > 0', '0 > 0 1']) {
        for (const source of prefixes) {
          for (const except of excepts) {
            for (const deny of [false, true]) {
              const only = { ...rule(text), source, except, deny };
              const expected = compileGroup([new SourceIndex([only])], starG);
              assert.deepEqual(plain(compiler.compileOnly(only)), plain(expected), JSON.stringify([starG, only]));
            }
          }
        }
      }
    }
  });

  it('shares the program with others if the rule is of any source', () => {
    const compiler = new GroupCompiler('kernel');
    const one = rule('0 > 1');
    assert.equal(compiler.compileOnly(one), compiler.compileOnly({ ...one, group: parsePrefix('239.9.9.9') }));
    assert.deepEqual(proxies(compiler.compileOnly({ ...one, iif: 3 })), ['3 > 1']);
  });
});

describe('an upcall', () => {
  const source = parseAddress('10.0.0.1');
  const decide = (texts: readonly string[], upcallIifs: number, arrival: number) => {
    const entry = decideUpcall(texts.map(rule), upcallIifs, source, arrival);
    return entry && `${entry.iif} > ${entry.oifs.map(({ vif }) => vif).join(' ')}`;
  };

  it('that no rule matches is answered by an entry that drops', () => {
    assert.equal(decide(['0 > 1'], 0xff, 5), '0 > 1', 'the only iif of the source');
    assert.equal(decide([], 0xff, 5), '5 > ');
  });

  it('on an iif of the source is answered for this iif', () => {
    assert.equal(decide(['0 > 1', '2 > 3'], 0, 2), '2 > 3');
  });

  it('elsewhere is answered for the first iif that upcalls serve', () => {
    assert.equal(decide(['0 > 1', '2 > 3'], 0b100, 5), '2 > 3');
  });

  it('elsewhere is left alone if (*,G) entries serve all iifs of the source', () => {
    assert.equal(decide(['0 > 1', '2 > 3'], 0, 5), undefined);
  });

  it('moves a source only to an iif that a rule lets it use', () => {
    const rules = ['0 > 1', '2 > 3', '4 > deny'].map(rule);
    assert.deepEqual(decideMove(rules, source, 2), { iif: 2, oifs: [{ vif: 3, ttlThreshold: 1 }] });
    assert.equal(decideMove(rules, source, 4), undefined);
    assert.equal(decideMove(rules, source, 9), undefined);
  });

  it('is asked for again when the entry no longer tells the right iif', () => {
    const rules = ['0 > 1', '2 > 3'].map(rule);
    const entry = { iif: 2, oifs: [] };
    assert.deepEqual(decideStaying(rules, 0b100, source, entry), { iif: 2, oifs: [{ vif: 3, ttlThreshold: 1 }] });
    assert.equal(decideStaying(rules, 0, source, entry), undefined, 'it would shadow the (*,G) entries');
    assert.equal(decideStaying(rules, 0b101, source, { iif: 7, oifs: [] }), undefined);
    assert.deepEqual(decideStaying([], 0, source, entry), { iif: 2, oifs: [] });
  });
});
