// A world for properties of the fib: a kernel in memory, a fib that drives it, the rules that are wanted, and random
// steps that change all of them.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type InterfaceConditions, NO_CONDITIONS, explain } from '../../src/agent/fib/explain.js';
import type { Fib, FibOptions } from '../../src/agent/fib/fib.js';
import type { Operation } from '../../src/agent/kernel/port.js';
import { type Address, type Family, formatAddress, sameAddress } from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import type { Mroute } from '../../src/model/mroute.js';
import { FakeKernel, fakeLink } from './fake-kernel.js';
import { openFib, settle, settleLinks, testGroup, testSource } from './fib-turns.js';
import { conditionsOf, portsOf } from './interface-conditions.js';
import { GROUPS, INTERFACES, SOURCES, families, mroutes, settingsOf } from './rule-arbitraries.js';

export function startLinks() {
  return INTERFACES.map((name, index) => fakeLink(index + 1, name));
}

/** A bridge that interfaces may be enslaved to. It is down, so that no wildcard stands for it. */
const BRIDGE = fakeLink(50, 'br0', { kind: 'bridge', isUp: false });

export type Packet = readonly [iif: string, source: Address, group: Address];

export function packets(family: Family): Packet[] {
  return INTERFACES.flatMap((iif) =>
    SOURCES.flatMap((s) => GROUPS.map((g) => [iif, testSource(family, s), testGroup(family, g)] as const)),
  );
}

export const TTL = 10;

/** Wishes, as the oracle takes them. */
export interface Wished {
  readonly rules: readonly Mroute[];
  readonly conditions: InterfaceConditions;
}

/** Rules, while nobody says anything of interfaces. */
export function only(rules: readonly Mroute[]): Wished {
  return { rules, conditions: NO_CONDITIONS };
}

export function expected({ rules, conditions }: Wished, kernel: FakeKernel, [iif, source, group]: Packet): string[] {
  const ofFamily = rules.filter(({ key }) => key.group.address.family === group.family);
  const found = explain(ofFamily, kernel.listLinks(), iif, source, group, conditions);
  if (found.outcome === 'dropped') return [];
  const links = new Map(kernel.listLinks().map((link) => [link.name, link]));
  const isIifUp = links.get(iif)?.isUp === true;
  const leaving = [...found.oifs].filter(([name, ttl]) => TTL > ttl && isIifUp && links.get(name)?.isUp === true);
  return leaving.map(([name]) => name).sort();
}

export function check(kernel: FakeKernel, wished: Wished, packet: Packet, times: number): void {
  const [iif, source, group] = packet;
  const text = `${formatAddress(source)} ${formatAddress(group)} on ${iif}`;
  for (let time = 1; time <= times; time++) {
    assert.deepEqual(kernel.send(iif, source, group, TTL), expected(wished, kernel, packet), `${text}, packet ${time}`);
  }
}

/** Lets the source be somewhere else: the kernel takes one iif for a source and group. */
export function forgetFlows(fib: Fib, kernel: FakeKernel, family: Family): void {
  settle(fib, kernel);
  fib.expire(fib.learnedFlows(family));
  settle(fib, kernel);
}

export function build(
  rules: readonly Mroute[],
  settings: readonly InterfaceSettings[] = [],
  options: Partial<FibOptions> = {},
) {
  const kernel = new FakeKernel({ links: startLinks() });
  const fib = openFib(options);
  fib.setActualMrules(kernel.listMrules());
  for (const [index, each] of settings.entries()) fib.setWish(`s${index}`, each);
  for (const [index, rule] of rules.entries()) fib.setWish(`w${index}`, rule);
  settleLinks(fib, kernel);
  return { kernel, fib };
}

/** Every source may use only one iif at a time: what is sent on another must be dropped or follow a move. */
export function checkAll(fib: Fib, kernel: FakeKernel, wished: Wished, family: Family): void {
  forgetFlows(fib, kernel, family);
  for (const packet of packets(family)) {
    check(kernel, wished, packet, 2);
    forgetFlows(fib, kernel, family);
  }
}

export type Step =
  | { readonly step: 'set'; readonly id: string; readonly rule: Mroute }
  | { readonly step: 'delete'; readonly id: string }
  | { readonly step: 'set-interface' | 'unset-interface'; readonly owner: string; readonly settings: InterfaceSettings }
  | { readonly step: 'remove-link' | 'return-link' | 'flap-link' | 'enslave-link' | 'free-link'; readonly link: number }
  | { readonly step: 'rename-link'; readonly link: number; readonly name: string }
  | { readonly step: 'swap-links'; readonly link: number; readonly other: number }
  | { readonly step: 'send'; readonly packet: Packet }
  | { readonly step: 'evict' | 'delete-entry'; readonly source: Address; readonly group: Address }
  | { readonly step: 'delete-proxy'; readonly group: Address }
  | { readonly step: 'lose-upcalls' }
  | { readonly step: 'refuse'; readonly op: Operation['op']; readonly code: string }
  | { readonly step: 'expire' }
  /** The agent ends without a word, and another begins after some steps that nobody has seen. */
  | { readonly step: 'restart'; readonly unseen: readonly Step[] };

export function steps(family: Family): fc.Arbitrary<Step> {
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
  const link = fc.nat({ max: INTERFACES.length - 1 });
  const flow = {
    source: fc.constantFrom(...SOURCES).map((n) => testSource(family, n)),
    group: fc.constantFrom(...GROUPS).map((n) => testGroup(family, n)),
  };
  const just = <Name extends string>(name: Name) => fc.constant(name);
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ step: just('set'), id: ids, rule: mroutes(family) }) },
    { weight: 3, arbitrary: fc.record({ step: just('delete'), id: ids }) },
    { weight: 3, arbitrary: settingSteps(family) },
    { weight: 3, arbitrary: fc.record({ step: fc.constantFrom('remove-link', 'return-link', 'flap-link'), link }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constantFrom('enslave-link', 'free-link'), link }) },
    { weight: 1, arbitrary: fc.record({ step: just('rename-link'), link, name: fc.constantFrom('eth7', 'away0') }) },
    { weight: 1, arbitrary: fc.record({ step: just('swap-links'), link, other: link }) },
    { weight: 8, arbitrary: fc.record({ step: just('send'), packet: fc.constantFrom(...packets(family)) }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constantFrom('evict', 'delete-entry'), ...flow }) },
    { weight: 1, arbitrary: fc.record({ step: just('delete-proxy'), group: flow.group }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constantFrom('lose-upcalls', 'expire') }) },
  );
}

function settingSteps(family: Family): fc.Arbitrary<Step> {
  return fc.record({
    step: fc.constantFrom('set-interface', 'set-interface', 'unset-interface'),
    owner: fc.constantFrom('x', 'y'),
    settings: settingsOf(family, [1, 20]),
  });
}

/** What may happen while no agent runs: rules that were saved and not compiled yet, interfaces, packets. */
export function restarts(family: Family): fc.Arbitrary<Step> {
  const unseen = steps(family).filter(({ step }) => !AGENTS_STEPS.has(step));
  return fc.record({ step: fc.constant('restart' as const), unseen: fc.array(unseen, { maxLength: 3 }) });
}

/** Steps in which the upcall thread takes part. */
const AGENTS_STEPS: ReadonlySet<Step['step']> = new Set(['evict', 'lose-upcalls', 'expire', 'delete-proxy']);

/** One world: a kernel, the fib that drives it, and the rules that are wanted. */
export class World {
  readonly kernel = new FakeKernel({ links: [...startLinks(), BRIDGE] });
  fib: Fib;
  readonly rules = new Map<string, Mroute>();
  /** By wish. */
  readonly settings = new Map<string, InterfaceSettings>();
  readonly family: Family;
  readonly #options: Partial<FibOptions>;
  #nextIfindex = 100;

  constructor(family: Family, options: Partial<FibOptions> = {}) {
    this.family = family;
    this.#options = options;
    this.fib = openFib(options);
    this.#listen();
    settleLinks(this.fib, this.kernel);
  }

  get wished(): Wished {
    const { enablesInterfaces = true } = this.#options;
    const names = enablesInterfaces ? [] : this.kernel.listLinks().map(({ name }) => name);
    const noIifs = portsOf(this.kernel.listLinks());
    return { rules: [...this.rules.values()], conditions: { ...conditionsOf(this.settings.values(), names), noIifs } };
  }

  #listen(): void {
    this.kernel.onEvent((event) => {
      if (event.event !== 'mfc-gone') return;
      // What was learned before must not seem newer than the deletion.
      this.fib.onUpcalls(this.kernel.drainUpcalls());
      this.fib.onMfcGone(event.source, event.group);
    });
  }

  /** Another fib takes over what the one before has left in the kernel, in the steps of the engine. */
  #restart(unseen: readonly Step[]): void {
    const { kernel } = this;
    kernel.close();
    // Whatever it is told from now on, it tells the kernel no more.
    for (const step of unseen) this.take(step);
    this.fib = openFib(this.#options);
    this.#listen();
    for (const [id, rule] of this.rules) this.fib.setWish(id, rule);
    for (const [id, settings] of this.settings) this.fib.setWish(id, settings);
    const held = kernel.readHeldState();
    this.fib.adoptVifs(held, new Map(kernel.listLinks().map((link) => [link.ifindex, link])));
    this.fib.setActualMrules(kernel.listMrules());
    this.fib.setLinks(kernel.listLinks());
    kernel.adoptLearned(this.fib.adopt(held));
    kernel.adoptUnresolved(held.flatMap(({ entries }) => entries.filter(({ isUnresolved }) => isUnresolved)));
    settle(this.fib, kernel);
    kernel.answerUpcalls();
  }

  take(step: Step): void {
    const { kernel, fib } = this;
    switch (step.step) {
      case 'set':
        this.rules.set(step.id, step.rule);
        fib.setWish(step.id, step.rule);
        return;
      case 'delete':
        this.rules.delete(step.id);
        fib.setWish(step.id, undefined);
        return;
      case 'set-interface':
      case 'unset-interface':
        this.#setInterface(step);
        return;
      case 'send':
        kernel.send(...step.packet, TTL);
        return;
      case 'evict':
        if (this.#isLearned(step.source, step.group)) kernel.evict(step.source, step.group);
        return;
      case 'delete-entry':
        if (kernel.readCounters(this.family, [step])[0] !== undefined) kernel.deleteMfc(step.source, step.group);
        return;
      case 'delete-proxy':
        if (kernel.proxyOrder(step.group).length > 0) kernel.deleteMfc(undefined, step.group);
        return;
      case 'lose-upcalls':
        kernel.loseUpcalls();
        return;
      case 'refuse':
        kernel.failNext(step.op, step.code);
        return;
      case 'expire':
        fib.onUpcalls(kernel.drainUpcalls());
        fib.expire(fib.learnedFlows(this.family));
        return;
      case 'restart':
        this.#restart(step.unseen);
        return;
      case 'remove-link':
      case 'return-link':
      case 'flap-link':
      case 'enslave-link':
      case 'free-link':
      case 'rename-link':
      case 'swap-links':
        this.#changeLink(step);
    }
  }

  #setInterface({ step, owner, settings }: Extract<Step, { readonly settings: InterfaceSettings }>): void {
    const id = `${owner} ${settings.key.name}`;
    if (step === 'set-interface') this.settings.set(id, settings);
    else this.settings.delete(id);
    this.fib.setWish(id, this.settings.get(id));
  }

  #isLearned(source: Address, group: Address): boolean {
    this.fib.onUpcalls(this.kernel.drainUpcalls());
    const flows = [...this.fib.learnedFlows(this.family)];
    return flows.some((flow) => sameAddress(flow.source, source) && sameAddress(flow.group, group));
  }

  #changeLink(step: Extract<Step, { readonly link: number }>): void {
    const { kernel } = this;
    const name = INTERFACES[step.link] ?? '';
    const link = kernel.listLinks().find((each) => each.name === name);
    if (step.step === 'return-link') {
      if (link === undefined) kernel.setLink(fakeLink(this.#nextIfindex++, name));
    } else if (link !== undefined) {
      if (step.step === 'flap-link') kernel.setLink({ ...link, isUp: !link.isUp });
      else if (step.step === 'enslave-link') kernel.setLink({ ...link, masterIfindex: BRIDGE.ifindex });
      else if (step.step === 'free-link') kernel.setLink({ ...link, masterIfindex: undefined });
      else if (step.step === 'rename-link') {
        if (!kernel.listLinks().some((each) => each.name === step.name)) kernel.renameLink(link.ifindex, step.name);
      } else {
        kernel.removeLink(link.ifindex);
        // At once under another index, before anyone has looked.
        if (step.step === 'swap-links') this.#swap(link.name, INTERFACES[step.other] ?? '');
      }
    }
    this.fib.setLinks(kernel.listLinks());
  }

  /** The name returns with a new index, and an interface that is there changes its name with it if there is another. */
  #swap(name: string, other: string): void {
    const { kernel } = this;
    const link = kernel.listLinks().find((each) => each.name === other);
    if (link === undefined) kernel.setLink(fakeLink(this.#nextIfindex++, name));
    else {
      kernel.renameLink(link.ifindex, name);
      kernel.setLink(fakeLink(this.#nextIfindex++, other));
    }
  }
}

export const refusals: fc.Arbitrary<Step> = fc.record({
  step: fc.constant('refuse' as const),
  op: fc.constantFrom('add-vif', 'put-mfc', 'delete-mfc', 'put-proxy', 'delete-proxy', 'add-mrule', 'delete-vif'),
  code: fc.constant('ENOMEM'),
});

export const histories = families.chain((family) =>
  fc.record({
    family: fc.constant(family),
    turns: fc.array(fc.array(fc.oneof({ weight: 12, arbitrary: steps(family) }, restarts(family)), { maxLength: 4 }), {
      maxLength: 12,
    }),
  }),
);

/** The limit: a source with several iifs is served on one at a time, and followed when it moves. */
export function checkWithFlows(world: World): void {
  const { kernel, fib, family } = world;
  const { wished } = world;
  const links = kernel.listLinks();
  for (const packet of packets(family)) {
    const [iif, source, group] = packet;
    const usable = links.filter(({ name }) => {
      const found = explain(wished.rules, links, name, source, group, wished.conditions);
      return found.outcome === 'forwarded';
    });
    const isElsewhere =
      usable.length > 1 && usable.some(({ name }) => name === iif) && hasFlow(fib, family, source, group, iif);
    if (isElsewhere) kernel.send(iif, source, group, TTL);
    check(kernel, wished, packet, 1);
    settle(fib, kernel);
  }
}

export function hasFlow(fib: Fib, family: Family, source: Address, group: Address, otherThan: string): boolean {
  return [...fib.learnedFlows(family)].some(
    (flow) =>
      sameAddress(flow.source, source) && sameAddress(flow.group, group) && fib.vifName(family, flow.iif) !== otherThan,
  );
}

export function mirrored({ fib, family }: World): string[] {
  return [...fib.mfc(family)]
    .map(({ source, group, iif, oifs }) =>
      entryText(
        source,
        group,
        iif,
        oifs.map((oif) => `${oif.interface}@${oif.ttlThreshold}`),
      ),
    )
    .sort();
}

export function dumped({ kernel, family }: World): string[] {
  const names = new Map(kernel.listLinks().map(({ ifindex, name }) => [ifindex, name]));
  return kernel
    .listMfc(family)
    .filter(({ isUnresolved }) => !isUnresolved)
    .map(({ source, group, iif, oifs }) =>
      entryText(
        source,
        group,
        names.get(iif ?? 0) ?? '',
        oifs.map(({ ifindex, ttlThreshold }) => `${names.get(ifindex) ?? '?'}@${ttlThreshold}`),
      ),
    )
    .sort();
}

/** Where nothing goes out, the kernel forgets the iif of an interface that is gone, and nobody needs it. */
export function entryText(source: Address | undefined, group: Address, iif: string, oifs: readonly string[]): string {
  const flow = `${source === undefined ? '*' : formatAddress(source)} ${formatAddress(group)}`;
  return oifs.length === 0 ? `${flow} drop` : `${flow} ${iif} > ${[...oifs].sort().join(' ')}`;
}
