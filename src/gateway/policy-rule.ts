// One rule of a policy file. Pure.
import { type Node, isScalar } from 'yaml';
import type { Value, YamlReader } from '../configuration/yaml-reader.js';
import { POLICY_LIST_MAX } from '../model/limits.js';
import { CONFIG_OWNER } from '../model/owner.js';
import { type NameResolver, parseIdentityPattern } from './identity-pattern.js';
import { type Pattern, compilePattern } from './pattern.js';
import {
  type Parsed,
  type PolicyMethod,
  type TableRange,
  methodName,
  parseGroup,
  parseInterface,
  parseMethod,
  parseOwner,
  parseTables,
} from './policy-words.js';
import { ROLES, type Role, includesRole, rightOf } from './rights.js';

/** What some identities may do. Empty lists are no restriction, but that of the identities. */
export interface PolicyRule {
  readonly identities: readonly Pattern[];
  readonly role: Role;
  readonly tables: readonly TableRange[];
  readonly methods: readonly PolicyMethod[];
  /** Prefixes, as they are formatted. */
  readonly groups: readonly string[];
  /** Names and wildcards. */
  readonly interfaces: readonly string[];
  /** Names, and patterns with '*' for any characters. */
  readonly owners: readonly string[];
}

/** A rule as it was read. */
export interface ReadRule {
  /** Undefined if something is wrong with it, which the reader knows, or if it grants nobody anything. */
  readonly rule: PolicyRule | undefined;
  readonly warnings: readonly string[];
}

const LIST_KEYS = ['tables', 'methods', 'groups', 'interfaces', 'owners'] as const;
const RULE_KEYS = ['identity', 'role', ...LIST_KEYS];

/** Reads a rule; what is wrong with it is refused at the reader. */
export function readRule(reader: YamlReader, node: Node, resolver: NameResolver): ReadRule {
  const values = reader.section(node, 'a rule', RULE_KEYS)?.values;
  if (values === undefined) return { rule: undefined, warnings: [] };
  for (const key of ['identity', 'role']) {
    if (values.get(key) === undefined) reader.refuse(node, `the rule has no ${key}`);
  }
  const nobodies: string[] = [];
  const identities = readIdentities(reader, values.get('identity'), resolver, nobodies);
  const role = reader.word(values.get('role'), 'role', ROLES);
  const lists = {
    tables: readList(reader, values.get('tables'), 'tables', parseTables),
    methods: readList(reader, values.get('methods'), 'methods', parseMethod),
    groups: readList(reader, values.get('groups'), 'groups', parseGroup),
    interfaces: readList(reader, values.get('interfaces'), 'interfaces', parseInterface),
    owners: readList(reader, values.get('owners'), 'owners', parseOwner),
  };
  if (role === undefined) return { rule: undefined, warnings: [] };
  const rule: PolicyRule = { identities, role, ...lists };
  // Whoever takes the last item out of a list does not mean all.
  const empty = LIST_KEYS.find((key) => values.has(key) && lists[key].length === 0);
  const nothing = whyNothing(rule, empty);
  const warnings = [
    ...nobodies,
    ...(nothing === undefined ? doubtsAbout(rule) : [`the rule grants nothing: ${nothing}`]),
  ];
  return { rule: nothing === undefined ? rule : undefined, warnings };
}

/** Whether the rule is for some groups, interfaces or owners only. */
export function isScoped({ groups, interfaces, owners }: PolicyRule): boolean {
  return groups.length > 0 || interfaces.length > 0 || owners.length > 0;
}

/** Whether the rule's role and restrictions are such that it grants the method, of the tables and identities that it is for. */
export function grantsMethod(rule: PolicyRule, service: string, method: string): boolean {
  const right = rightOf(service, method);
  if (right === undefined || !includesRole(rule.role, right.role)) return false;
  return (
    namesMethod(rule, service, method) &&
    (right.canBeScoped || !isScoped(rule)) &&
    (right.isOfTable || rule.tables.length === 0)
  );
}

/** Whether the rule is for the method, as far as it names methods. */
export function namesMethod({ methods }: PolicyRule, service: string, method: string): boolean {
  return methods.length === 0 || methods.some((one) => one.service === service && one.method === method);
}

function readIdentities(
  reader: YamlReader,
  value: Value,
  resolver: NameResolver,
  nobodies: string[],
): readonly Pattern[] {
  const parse = (text: string): Parsed<Pattern | undefined> => {
    const parsed = parseIdentityPattern(text, resolver);
    if (parsed.kind === 'wrong') return { complaint: parsed.why };
    if (parsed.kind === 'nobody') nobodies.push(parsed.why);
    return { item: parsed.kind === 'pattern' ? compilePattern(parsed.text) : undefined };
  };
  // A text alone stands for a list of it.
  const patterns = isScalar(value)
    ? readItems(reader, [value], 'identity', parse)
    : readList(reader, value, 'identity', parse);
  return patterns.filter((pattern) => pattern !== undefined);
}

function readList<Item>(
  reader: YamlReader,
  value: Value,
  what: string,
  parse: (text: string) => Parsed<Item>,
): readonly Item[] {
  const nodes = reader.items(value, what);
  if (value !== undefined && nodes.length > POLICY_LIST_MAX) {
    reader.refuse(value, `${what} has ${nodes.length} items; ${POLICY_LIST_MAX} are allowed`);
    return [];
  }
  return readItems(reader, nodes, what, parse);
}

function readItems<Item>(
  reader: YamlReader,
  nodes: readonly Node[],
  what: string,
  parse: (text: string) => Parsed<Item>,
): readonly Item[] {
  const items: Item[] = [];
  for (const node of nodes) {
    reader.text(node, what, (text) => {
      const parsed = parse(text);
      if ('complaint' in parsed) return parsed.complaint;
      items.push(parsed.item);
      return undefined;
    });
  }
  return items;
}

/** Why the rule can be left out; undefined if it grants somebody something. */
function whyNothing(rule: PolicyRule, emptyList: string | undefined): string | undefined {
  if (rule.identities.length === 0) return 'it is for nobody';
  if (emptyList !== undefined) return `'${emptyList}' is empty; leave it out where all is meant`;
  const { methods } = rule;
  if (methods.length === 0 || methods.some(({ service, method }) => grantsMethod(rule, service, method)))
    return undefined;
  return methods.map((method) => whyNotMethod(rule, method)).join('; ');
}

/** What may not be as it was meant, though the rule grants something. */
function doubtsAbout(rule: PolicyRule): string[] {
  const { role, methods, owners } = rule;
  const doubts = methods
    .filter(({ service, method }) => !grantsMethod(rule, service, method))
    .map((method) => `${whyNotMethod(rule, method)}: not granted`);
  if (role === 'admin' && methods.length === 0 && isScoped(rule)) {
    doubts.push('restricted to groups, interfaces or owners, admin may do no more than operator');
  }
  if (role === 'viewer' && owners.length > 0) doubts.push('owners are no restriction for reading');
  if (owners.length > 0 && owners.every((owner) => owner === CONFIG_OWNER)) {
    doubts.push(`what belongs to '${CONFIG_OWNER}' is changed in the table's configuration file, where it has one`);
  }
  return doubts;
}

function whyNotMethod(rule: PolicyRule, named: PolicyMethod): string {
  const { service, method } = named;
  const right = rightOf(service, method);
  if (right !== undefined && !includesRole(rule.role, right.role))
    return `${methodName(named)} needs the role ${right.role}`;
  if (right?.isOfTable === false && rule.tables.length > 0) return `${methodName(named)} is not of one table`;
  return `${methodName(named)} cannot be restricted to groups, interfaces or owners`;
}
