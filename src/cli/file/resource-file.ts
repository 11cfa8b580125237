// Files of resources: what `apply` and `diff` read and `export` writes. Pure.
import type { Interface__Output } from '../../api/generated/mcroute/v1/Interface.js';
import type { MembershipKey__Output } from '../../api/generated/mcroute/v1/MembershipKey.js';
import type { MrouteKey__Output } from '../../api/generated/mcroute/v1/MrouteKey.js';
import type { Oif__Output } from '../../api/generated/mcroute/v1/Oif.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { PLAIN_INTERFACE } from '../../model/interface.js';
import { plainRoute } from './plain-route.js';
import { Reader, type Section } from './reader.js';
import { type Path, type SourceText, parseSourceText, pathText } from './source-text.js';

/** The resources of a file, as the API takes them. */
export interface ResourceFile {
  readonly resources: readonly Resource__Output[];
  /** Where the file has the field of a request: `net.yaml:12: routes[3].group` for `changes[3].put.mroute.key.group`. */
  readonly nameField: (field: string) => string;
}

/** How the file is written, for the help. */
export const FILE_HELP = `The file is YAML or JSON, with any of:
  routes:
    - iif: eth0               # or a wildcard, "eth+"
      source: 10.0.0.0/8      # may be left out: any source
      group: 239.1.1.1
      oifs: [eth1, { interface: eth2, ttl_threshold: 16 }]
      except: [10.9.0.0/16]   # may be left out, like deny and label
      deny: false
      label: studio 1
  joins:
    - { interface: eth0, group: 239.1.1.1, source: 10.0.0.5 }
  interfaces:
    - name: eth2
      ttl_threshold: 16       # may be left out, like all that follow
      enabled: true           # false: takes no part in forwarding
      querier: true           # ask for memberships (IGMP, MLD)
      mrdisc: true            # announce the router to switches
      boundaries: [239.255.0.0/16]   # groups that never enter or leave
or, with the words of the API:
  resources:
    - mroute: { key: { iif, source, group }, oifs: [{ interface, ttl_threshold }], except, deny, label }
    - membership: { key: { interface, group, source }, label }
    - interface: { key: { name }, ttl_threshold, enabled, querier, mrdisc, boundaries }`;

/**
 * Parses a file. Its shape is checked here; whether addresses and names are valid is for the agent to say.
 *
 * @throws CliError BAD_FILE with the line of everything that is wrong.
 */
export function parseResourceFile(text: string, name: string): ResourceFile {
  const source = parseSourceText(text, name);
  const reader = new Reader(source);
  const found = new Found();
  if (source.value === null || source.value === undefined) {
    reader.refuse([], 'the file is empty; write `routes: []` if it is to hold nothing');
  } else {
    const top = reader.section(source.value, [], ['routes', 'joins', 'interfaces', 'resources']);
    if (top !== undefined) readTop(reader, top, found);
  }
  reader.throwIfAny();
  return { resources: found.resources, nameField: (field) => nameField(field, source, found) };
}

/** Where the file has a resource. */
interface Place {
  readonly path: Path;
  /** Whether it is written in the words of the API. */
  readonly isWire: boolean;
}

/** The resources of a file, which has a list of each kind. There may be a million, so that places are worked out when asked. */
class Found {
  readonly resources: Resource__Output[] = [];
  readonly #lists: { readonly key: string; readonly isWire: boolean; readonly first: number }[] = [];

  /** What is added from now on is of this list, from its first item on and without a gap, or else the file is refused. */
  beginList(key: string, isWire: boolean): void {
    this.#lists.push({ key, isWire, first: this.resources.length });
  }

  placeOf(index: number): Place | undefined {
    const list = this.#lists.findLast(({ first }) => first <= index);
    if (list === undefined || index >= this.resources.length) return undefined;
    return { path: [list.key, index - list.first], isWire: list.isWire };
  }
}

function readTop(reader: Reader, top: Section, found: Found): void {
  const read = (key: string, isWire: boolean, parse: (value: unknown, path: Path) => Resource__Output | undefined) => {
    found.beginList(key, isWire);
    for (const [index, value] of reader.list(top, key).entries()) {
      const resource = (key === 'routes' ? plainRoute(value) : undefined) ?? parse(value, [key, index]);
      if (resource !== undefined) found.resources.push(resource);
    }
  };
  read('interfaces', false, (value, path) => readInterface(reader, value, path));
  read('routes', false, (value, path) => readRoute(reader, value, path));
  read('joins', false, (value, path) => readJoin(reader, value, path));
  read('resources', true, (value, path) => readResource(reader, value, path));
}

function readRoute(reader: Reader, value: unknown, path: Path): Resource__Output | undefined {
  const section = reader.section(value, path, ['iif', 'source', 'group', ...MROUTE_KEYS]);
  if (section === undefined) return undefined;
  const mroute = mrouteOf(reader, section, readMrouteKey(reader, section));
  if (section.values['oifs'] === undefined && !mroute.deny) {
    reader.refuse(path, 'oifs is required; write `oifs: []` for a rule that adds none');
  }
  return { mroute, kind: 'mroute' };
}

function readJoin(reader: Reader, value: unknown, path: Path): Resource__Output | undefined {
  const section = reader.section(value, path, ['interface', 'source', 'group', 'label']);
  if (section === undefined) return undefined;
  const key = readMembershipKey(reader, section);
  return { membership: { key, label: reader.text(section, 'label', false) }, kind: 'membership' };
}

function readInterface(reader: Reader, value: unknown, path: Path): Resource__Output | undefined {
  const section = reader.section(value, path, ['name', ...INTERFACE_KEYS]);
  if (section === undefined) return undefined;
  return { interface: interfaceOf(reader, section, reader.text(section, 'name', true)), kind: 'interface' };
}

/** Reads a resource in the words of the API. */
function readResource(reader: Reader, value: unknown, path: Path): Resource__Output | undefined {
  const outer = reader.section(value, path, ['mroute', 'membership', 'interface']);
  if (outer === undefined) return undefined;
  const kinds = Object.keys(outer.values);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    reader.refuse(path, 'must have one of mroute, membership and interface');
    return undefined;
  }
  const content = outer.values[kind];
  const at = [...path, kind];
  switch (kind) {
    case 'mroute': {
      const section = reader.section(content, at, ['key', ...MROUTE_KEYS]);
      const key = section && readKey(reader, section, ['iif', 'source', 'group']);
      if (section === undefined || key === undefined) return undefined;
      return { mroute: mrouteOf(reader, section, readMrouteKey(reader, key)), kind };
    }
    case 'membership': {
      const section = reader.section(content, at, ['key', 'label']);
      const key = section && readKey(reader, section, ['interface', 'source', 'group']);
      if (section === undefined || key === undefined) return undefined;
      return { membership: { key: readMembershipKey(reader, key), label: reader.text(section, 'label', false) }, kind };
    }
    case 'interface': {
      const section = reader.section(content, at, ['key', ...INTERFACE_KEYS]);
      const key = section && readKey(reader, section, ['name']);
      if (section === undefined || key === undefined) return undefined;
      return { interface: interfaceOf(reader, section, reader.text(key, 'name', true)), kind };
    }
    default:
      // Refused above, as a key that is not known.
      return undefined;
  }
}

const MROUTE_KEYS = ['oifs', 'except', 'deny', 'label'] as const;
const INTERFACE_KEYS = ['ttl_threshold', 'enabled', 'querier', 'mrdisc', 'boundaries'] as const;

function readKey(reader: Reader, section: Section, keys: readonly string[]): Section | undefined {
  return reader.section(section.values['key'], [...section.path, 'key'], keys);
}

function mrouteOf(reader: Reader, section: Section, key: MrouteKey__Output): NonNullable<Resource__Output['mroute']> {
  return {
    key,
    oifs: reader.items(section, 'oifs').map(({ value, path }) => readOif(reader, value, path)),
    except: reader.texts(section, 'except'),
    deny: reader.boolean(section, 'deny') ?? false,
    label: reader.text(section, 'label', false),
  };
}

/** What is left out is as for an interface of which nobody says anything. */
function interfaceOf(reader: Reader, section: Section, name: string): Interface__Output {
  const isEnabled = reader.boolean(section, 'enabled');
  return {
    key: { name },
    ttlThreshold: reader.number(section, 'ttl_threshold') ?? PLAIN_INTERFACE.ttlThreshold,
    ...(isEnabled === undefined ? {} : { enabled: isEnabled, _enabled: 'enabled' as const }),
    querier: reader.boolean(section, 'querier') ?? false,
    mrdisc: reader.boolean(section, 'mrdisc') ?? false,
    boundaries: reader.texts(section, 'boundaries'),
  };
}

function readOif(reader: Reader, value: unknown, path: Path): Oif__Output {
  if (typeof value === 'string') return { interface: value };
  const section = reader.section(value, path, ['interface', 'ttl_threshold']);
  if (section === undefined) return { interface: '' };
  const name = reader.text(section, 'interface', true);
  const ttlThreshold = reader.number(section, 'ttl_threshold');
  return ttlThreshold === undefined
    ? { interface: name }
    : { interface: name, ttlThreshold, _ttlThreshold: 'ttlThreshold' };
}

function readMrouteKey(reader: Reader, section: Section): MrouteKey__Output {
  return {
    iif: reader.text(section, 'iif', true),
    source: reader.text(section, 'source', false),
    group: reader.text(section, 'group', true),
  };
}

function readMembershipKey(reader: Reader, section: Section): MembershipKey__Output {
  return {
    interface: reader.text(section, 'interface', true),
    group: reader.text(section, 'group', true),
    source: reader.text(section, 'source', false),
  };
}

function nameField(field: string, source: SourceText, found: Found): string {
  const [, index, rest = ''] = /^(?:changes|resources)\[(\d+)\](?:\.put)?(?:\.(.+))?$/.exec(field) ?? [];
  const place = index === undefined ? undefined : found.placeOf(Number(index));
  if (place === undefined) return field;
  const steps = [...rest.matchAll(/[^.[\]]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
  // The shorter shape has neither the kind nor `key`.
  const inner = place.isWire ? steps : steps.slice(1).filter((step, i) => !(i === 0 && step === 'key'));
  const path = [...place.path, ...inner];
  return `${source.locate(path)}: ${pathText(path)}`;
}
