// The thread's copy of the rules, with many prefixes that come and go and many rules of one group: what it answers is
// what a plain search through all rules finds.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';

import type { NativeFamily } from '../../src/agent/kernel/native.js';
import { holds, parseAddress, parsePrefix } from '../../src/model/address.js';
import {
  FAMILIES,
  groupRecord,
  NETS,
  type Oifs,
  openRouter,
  openTable,
  Responder,
  type Router,
  type TestRule,
} from './native-support.js';

/** Groups that are asked for. */
const GROUPS = 120;
const HISTORIES = 6;
const LIMITS = { learnedLimit: 1000, unmatchedLimit: 1000, ringLimit: 1000 };

/** By group prefix. */
type RulesOf = ReadonlyMap<string, readonly TestRule[]>;

let router: Router;
before(async () => {
  router = await openRouter(2);
});
after(() => {
  router[Symbol.dispose]();
});

function groupOf(family: NativeFamily, number: number): string {
  return family === 4 ? `239.1.${number >> 8}.${number & 255}` : `ff1e::1:${number.toString(16)}`;
}

/** Of one group, of 2, 8, 32 of them, or of all. */
function prefixes(family: NativeFamily): fc.Arbitrary<string> {
  const host = family === 4 ? 32 : 128;
  const all = family === 4 ? NETS[4].groups : `${groupOf(6, 0)}/112`;
  const some = fc.tuple(fc.nat(GROUPS - 1), fc.constantFrom(0, 0, 0, 0, 1, 3, 5));
  const prefix = some.map(([number, bits]) => `${groupOf(family, number - (number % 2 ** bits))}/${host - bits}`);
  return fc.oneof({ arbitrary: prefix, weight: 9 }, fc.constant(all));
}

/** Of the source 2 of host 0, of its neighbours, and of what holds them. */
function sources(family: NativeFamily): fc.Arbitrary<string> {
  const { hostLength, source, any } = NETS[family];
  const lengths = family === 4 ? [31, 30, 24] : [127, 126, 64];
  const hosts = [1, 2, 3, 4].map((number) => `${source(0, number)}${hostLength}`);
  const nets = lengths.map((length) => `${source(0, 0)}/${length}`);
  return fc.constantFrom(any, ...hosts, ...nets, `${source(0, 2)}/${lengths[0] ?? 0}`);
}

function rules(family: NativeFamily): fc.Arbitrary<TestRule> {
  return fc.record({
    iif: fc.constantFrom(0, 0, 0, 1),
    oifs: fc.dictionary(fc.nat(31).map(String), fc.integer({ min: 1, max: 255 }), { maxKeys: 3 }),
    deny: fc.nat(19).map((chance) => chance === 0),
    source: sources(family),
    except: fc.array(
      sources(family).filter((prefix) => prefix !== NETS[family].any),
      { maxLength: 2 },
    ),
  });
}

/** Steps that set the rules of some prefixes; none forget them. */
function histories(
  family: NativeFamily,
): fc.Arbitrary<readonly (readonly (readonly [string, readonly TestRule[]])[])[]> {
  const some = fc.oneof(
    fc.constant([]),
    fc.array(rules(family), { maxLength: 2 }),
    fc.array(rules(family), { maxLength: 12 }),
  );
  const step = fc.array(fc.tuple(prefixes(family), some), { minLength: 1, maxLength: 80 });
  return fc.array(step, { minLength: 1, maxLength: 8 });
}

/** The oifs of an arrival on vif 0: what JavaScript says that rules mean. */
function expected(told: RulesOf, source: string, group: string): Oifs {
  const [from, to] = [parseAddress(source), parseAddress(group)];
  const matching = [...told]
    .filter(([prefix]) => holds(parsePrefix(prefix), to))
    .flatMap(([, rules]) => rules)
    .filter((rule) => rule.iif === 0 && holds(parsePrefix(rule.source ?? ''), from))
    .filter((rule) => !(rule.except ?? []).some((prefix) => holds(parsePrefix(prefix), from)));
  const oifs: Record<number, number> = {};
  if (matching.some((rule) => rule.deny === true)) return oifs;
  for (const [vif, ttl] of matching.flatMap((rule) => Object.entries(rule.oifs ?? {}))) {
    oifs[Number(vif)] = Math.min(ttl, oifs[Number(vif)] ?? 255);
  }
  return oifs;
}

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, 2);
  const groups = Array.from({ length: GROUPS }, (_, number) => groupOf(family, number));

  describe(`rules of the upcall thread, IPv${family}`, () => {
    it('are those that were set last, whatever came and went before', async () => {
      await fc.assert(
        fc.asyncProperty(histories(family), async (history) => {
          using socket = openTable(family);
          router.addVifs(socket);
          using responder = new Responder(socket, LIMITS);
          const told = new Map<string, readonly TestRule[]>();
          for (const step of history) {
            responder.setRules(...step.map(([prefix, rules]) => groupRecord(prefix, rules)));
            for (const [prefix, rules] of step) told.set(prefix, rules);
          }
          await router.host(0).sendToAll(source, groups);
          await responder.event(GROUPS - 1);
          const found = new Map(responder.events.map((event) => [event.group, event]));
          for (const group of groups) {
            const [event, oifs] = [found.get(group), expected(told, source, group)];
            // Another iif forwards what this one does not.
            if (Object.keys(oifs).length > 0) assert.deepEqual([event?.parent, event?.oifs], [0, oifs], group);
            else assert.ok(event?.parent !== 0 || Object.keys(event.oifs).length === 0, group);
          }
        }),
        { numRuns: HISTORIES },
      );
    });

    it('are found when those of other prefixes are forgotten', async () => {
      const others = Array.from({ length: 16 * GROUPS }, (_, number) => groupOf(family, number));
      const record = (group: string, rules: readonly TestRule[]) => groupRecord(`${group}${net.hostLength}`, rules);
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket, LIMITS);
      responder.setRules(...others.map((group) => record(group, [{ iif: 0, oifs: { 1: 1 } }])));
      responder.setRules(...others.filter((_, number) => number % 2 === 1).map((group) => record(group, [])));
      const asked = others.slice(0, 4 * GROUPS);
      // Not all at once: without privilege the receive buffer holds 256 upcalls.
      for (let end = GROUPS; end <= asked.length; end += GROUPS) {
        await router.host(0).sendToAll(source, asked.slice(end - GROUPS, end));
        await responder.event(end - 1);
      }
      const found = new Map(responder.events.map((event) => [event.group, event.oifs]));
      for (const [number, group] of asked.entries()) {
        assert.deepEqual(found.get(group), number % 2 === 1 ? {} : { 1: 1 }, group);
      }
    });
  });
}
