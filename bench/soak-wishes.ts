// What the owners of the soak want: random resources of sets that are bounded, so that the table stays about as large.
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import type { Entry__Output } from '../src/api/generated/mcroute/v1/Entry.js';
import type { Resource } from '../src/api/generated/mcroute/v1/Resource.js';
import type { Random } from '../test/support/random.js';

/** Resources that an owner has at most. */
const WISHES_MAX = 400;

/** Groups of each family; prefixes of a part of them, and of others. */
const GROUPS = 200;
const PREFIXES = [
  '239.7.0.64/26',
  '239.7.0.96/27',
  '239.7.1.0/24',
  'ff1e:7::40/122',
  'ff1e:7::60/123',
  'ff1e:7::100/120',
];
const SOURCES = {
  ipv4: ['', '', '10.0.1.2', '10.9.0.7', '10.0.0.0/8'],
  ipv6: ['', '', '2001:db8:1001::2', '2001:db8:9::7', '2001:db8::/32'],
};
const IIFS = ['in0', 'in1', 'in1', 'in+', 'out3', 'not-there'];
const OIFS = ['in0', 'out1', 'out2', 'out3', 'out4', 'out+', 'not-there'];
const JOINED_GROUPS = 40;
const JOINED_INTERFACES = ['in0', 'in1', 'out3', 'not-there'];
const SET_INTERFACES = ['in1', 'out2', 'out3', 'out4'];

/** Groups of these begin so; no flow of a storm that is counted does. */
export const WISHED_GROUP = /^(239\.7\.|ff1e:7:)/;

/** What one owner wants, by key. */
export class Wishes {
  readonly owner: string;
  readonly #random: Random;
  #wanted = new Map<string, Resource>();

  constructor(owner: string, random: Random) {
    this.owner = owner;
    this.#random = random;
  }

  get resources(): readonly Resource[] {
    return [...this.#wanted.values()];
  }

  /** Each as `describe` has it, sorted. */
  get texts(): readonly string[] {
    return this.resources.map(describe).sort();
  }

  /** Changes, and what to call when they are made. */
  change(count: number): { readonly changes: Change[]; readonly commit: () => void } {
    const next = new Map(this.#wanted);
    const changes = Array.from({ length: count }, (): Change => {
      // The fuller the more often something goes.
      const victim = this.#random.below(WISHES_MAX) < next.size ? this.#random.pickOrNone([...next.keys()]) : undefined;
      const resource = victim === undefined ? undefined : next.get(victim);
      if (victim !== undefined && resource !== undefined) {
        next.delete(victim);
        return { delete: keyOf(resource) };
      }
      const put = randomResource(this.#random);
      next.set(keyText(put), put);
      return { put };
    });
    return { changes, commit: () => (this.#wanted = next) };
  }

  /** Others in place of about half of them, and what to call when they are. */
  replacement(): { readonly resources: Resource[]; readonly commit: () => void } {
    const kept = this.resources.filter(() => this.#random.below(2) === 0);
    const others = Array.from({ length: WISHES_MAX / 4 }, () => randomResource(this.#random));
    const next = new Map([...kept, ...others].map((resource) => [keyText(resource), resource]));
    return { resources: [...next.values()], commit: () => (this.#wanted = next) };
  }
}

function randomResource(random: Random): Resource {
  const kind = random.below(20);
  if (kind === 0)
    return { interface: { key: { name: random.pick(SET_INTERFACES) }, ttlThreshold: 1 + random.below(5) } };
  const family = random.below(2) === 0 ? 'ipv4' : 'ipv6';
  if (kind <= 3) {
    const group = groupOf(family, random.below(JOINED_GROUPS));
    const source = random.below(4) === 0 ? (SOURCES[family][2] ?? '') : '';
    return { membership: { key: { interface: random.pick(JOINED_INTERFACES), group, source } } };
  }
  const isPrefix = random.below(6) === 0;
  const prefixes = PREFIXES.filter((prefix) => prefix.includes(':') === (family === 'ipv6'));
  const group = isPrefix ? random.pick(prefixes) : groupOf(family, random.below(GROUPS));
  const thresholds = family === 'ipv4' ? [0, 0, 2, 9] : [0];
  return {
    mroute: {
      key: { iif: random.pick(IIFS), source: random.pick(SOURCES[family]), group },
      oifs: random.some(OIFS).map((name) => {
        const ttlThreshold = random.pick(thresholds);
        return { interface: name, ...(ttlThreshold !== 0 && { ttlThreshold }) };
      }),
      except: random.below(8) === 0 ? [family === 'ipv4' ? '10.0.1.0/24' : '2001:db8:1001::/64'] : [],
      deny: random.below(12) === 0,
      label: random.below(8) === 0 ? `label ${random.below(100)}` : '',
    },
  };
}

function groupOf(family: 'ipv4' | 'ipv6', n: number): string {
  return family === 'ipv4' ? `239.7.0.${n + 1}` : `ff1e:7::${(n + 1).toString(16)}`;
}

function keyOf({ mroute, membership, interface: settings }: Resource): NonNullable<Change['delete']> {
  return {
    ...(mroute?.key && { mroute: mroute.key }),
    ...(membership?.key && { membership: membership.key }),
    ...(settings?.key && { interface: settings.key }),
  };
}

function keyText(resource: Resource): string {
  return JSON.stringify(keyOf(resource));
}

/** What a resource says, in one way, as it was sent or as it came back. */
export function describe({
  mroute,
  membership,
  interface: settings,
}: Resource | NonNullable<Entry__Output['resource']>): string {
  if (mroute) {
    const { iif = '', source = '', group = '' } = mroute.key ?? {};
    const oifs = (mroute.oifs ?? []).map((oif) => {
      // As it came, an unset one is 0.
      const threshold = oif.ttlThreshold ?? 0;
      return threshold === 0 ? oif.interface : `${oif.interface ?? ''}@${threshold}`;
    });
    return JSON.stringify([iif, source, group, oifs.sort(), mroute.except ?? [], mroute.deny, mroute.label]);
  }
  if (membership) {
    const { interface: name = '', source = '', group = '' } = membership.key ?? {};
    return JSON.stringify(['join', name, source, group]);
  }
  return JSON.stringify(['interface', settings?.key?.name, settings?.ttlThreshold]);
}
