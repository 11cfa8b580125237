// Random histories of a table: rules of several owners, changes of them while flows stand, and packets.
import fc from 'fast-check';
import type { StarG } from '../../src/agent/fib/star-g.js';
import { type Family, formatAddress, formatPrefix } from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import { type Mroute, formatMrouteKey } from '../../src/model/mroute.js';
import { testGroup, testSource } from './fib-turns.js';
import { GROUPS, INTERFACES, SOURCES, families, mroutes, settingsOf } from './rule-arbitraries.js';
import type { Arrival } from './upcall-model.js';

/** Who wants the rules. */
export const OWNERS = ['config', 'cli', 'controller'] as const;

/** A packet that is sent. */
export interface Packet extends Arrival {
  readonly ttl: number;
}

/** A change by an owner. */
export type Step =
  | { readonly step: 'put' | 'delete'; readonly owner: string; readonly index: number; readonly rule: Mroute }
  | { readonly step: 'replace'; readonly owner: string; readonly rules: readonly Mroute[] }
  | { readonly step: 'interface'; readonly owner: string; readonly settings: InterfaceSettings };

/** Changes, then packets. */
export interface Turn {
  readonly steps: readonly Step[];
  /** Learned entries are dropped before the packets. */
  readonly isFlushed: boolean;
  readonly packets: readonly Packet[];
}

/** Rules that owners want, and turns of changes and packets. */
export interface History {
  readonly family: Family;
  readonly starG: StarG;
  /** What owners want at first. */
  readonly rules: readonly Mroute[];
  readonly turns: readonly Turn[];
}

function steps(family: Family): fc.Arbitrary<Step> {
  const owner = fc.constantFrom(...OWNERS);
  const changes = fc.record({
    step: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
    owner,
    index: fc.nat({ max: 9 }),
    rule: mroutes(family),
  });
  const replaces = fc.record({
    step: fc.constant('replace' as const),
    owner,
    rules: fc.array(mroutes(family), { maxLength: 10, size: 'max' }),
  });
  const interfaces = fc.record({
    step: fc.constant('interface' as const),
    owner,
    settings: settingsOf(family, [1, 9, 30]),
  });
  return fc.oneof(
    { weight: 8, arbitrary: changes },
    { weight: 2, arbitrary: replaces },
    { weight: 2, arbitrary: interfaces },
  );
}

/** A turn before the packets know where they come from. */
type Plan = Omit<Turn, 'packets'> & {
  /** By source. */
  readonly homes: readonly string[];
  readonly packets: readonly (Omit<Packet, 'iif'> & { readonly number: number; readonly away: string | undefined })[];
};

function plans(family: Family): fc.Arbitrary<Plan> {
  const iif = fc.constantFrom<string>(...INTERFACES);
  const packet = fc.record({
    number: fc.nat({ max: SOURCES.length - 1 }),
    away: fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: iif }),
    // Groups 1 and 2 have rules of their own.
    group: fc.constantFrom(1, 1, 2, 2, ...GROUPS).map((n) => testGroup(family, n)),
    // Around the thresholds that rules and interfaces have.
    ttl: fc.constantFrom(2, 9, 10, 20, 21, 30, 31, 64),
  });
  return fc.record({
    steps: fc.array(steps(family), { maxLength: 3 }),
    isFlushed: fc.boolean(),
    homes: fc.array(iif, { minLength: SOURCES.length, maxLength: SOURCES.length }),
    packets: fc
      .array(packet, { maxLength: 120, size: 'max' })
      .map((all) => all.map((each) => ({ ...each, source: testSource(family, SOURCES[each.number] ?? 0) }))),
  });
}

/** Packets of a source mostly come from its home, until a flush: one that is everywhere at once meets the limit. */
function settleSources(turns: readonly Plan[]): Turn[] {
  let homes: readonly string[] = turns[0]?.homes ?? [];
  return turns.map(({ steps: changes, isFlushed, homes: next, packets: all }) => {
    if (isFlushed) homes = next;
    const sent = all.map(({ number, away, source, group, ttl }) => {
      return { iif: away ?? homes[number] ?? '', source, group, ttl };
    });
    return { steps: changes, isFlushed, packets: sent };
  });
}

/** Random histories of one family; in a report they are in words. */
export const histories: fc.Arbitrary<History> = families.chain((family) =>
  fc
    .record({
      starG: fc.constantFrom<StarG>('kernel', 'kernel', 'kernel', 'learn'),
      rules: fc.array(mroutes(family), { maxLength: 16, size: 'max' }),
      plans: fc.array(plans(family), { minLength: 1, maxLength: 6, size: 'max' }),
    })
    .map(({ starG, rules, plans: all }) => {
      const history = { family, starG, rules, turns: settleSources(all) };
      return { ...history, [fc.toStringMethod]: () => describeHistory(history) };
    }),
);

/** A counterexample as a person can read it. */
function describeHistory({ family, starG, rules, turns: all }: History): string {
  const lines = all.flatMap(({ steps: changes, isFlushed, packets: sent }) => [
    'then',
    ...changes.map((change) => `  ${describeStep(change)}`),
    ...(isFlushed ? ['  flush'] : []),
    ...sent.map((packet) => `  ${describePacket(packet)}`),
  ]);
  return [`${family}, (*,G) by ${starG}`, ...rules.map(describeRule), ...lines].join('\n');
}

function describeStep(change: Step): string {
  switch (change.step) {
    case 'put':
      return `${change.owner} puts ${describeRule(change.rule)}`;
    case 'delete':
      return `${change.owner} deletes its rule ${change.index}, if there is one`;
    case 'replace':
      return `${change.owner} wants ${change.rules.map(describeRule).join('; ')}`;
    case 'interface':
      return `${change.owner} sets ${describeSettings(change.settings)}`;
  }
}

function describeSettings({ key, ttlThreshold, isEnabled, boundaries }: InterfaceSettings): string {
  const words = isEnabled === undefined ? [] : [isEnabled ? 'enabled' : 'disabled'];
  return [
    key.name,
    `threshold ${ttlThreshold}`,
    ...words,
    ...boundaries.map((each) => `boundary ${formatPrefix(each)}`),
  ].join(' ');
}

function describeRule({ key, oifs, except, deny }: Mroute): string {
  const names = oifs.map((oif) =>
    oif.ttlThreshold === undefined ? oif.interface : `${oif.interface}@${oif.ttlThreshold}`,
  );
  const without = except.length === 0 ? '' : ` except ${except.map(formatPrefix).join(' ')}`;
  return `${formatMrouteKey(key)} > ${deny ? 'deny' : names.join(' ')}${without}`;
}

/** `packet (S, G) on iif, TTL n` */
export function describePacket({ iif, source, group, ttl }: Packet): string {
  return `packet (${formatAddress(source)}, ${formatAddress(group)}) on ${iif}, TTL ${ttl}`;
}
