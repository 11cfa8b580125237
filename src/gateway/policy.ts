// The rules of who may do what, parsed from the text of a policy file. Pure.
import { TOO_LARGE } from '../configuration/read-text.js';
import { YamlReader } from '../configuration/yaml-reader.js';
import { CONFIGURATION_MAX, POLICY_RULES_MAX } from '../model/limits.js';
import type { NameResolver } from './identity-pattern.js';
import { compilePattern } from './pattern.js';
import { type PolicyRule, readRule } from './policy-rule.js';

/** Who may do what. What no rule grants is denied. */
export interface Policy {
  readonly rules: readonly PolicyRule[];
}

/** A policy, and what a person should know of it. */
export interface ParsedPolicy {
  readonly policy: Policy;
  /** Such as "line 5: ...". A rule that grants nobody anything is told here, and is not in the policy. */
  readonly warnings: readonly string[];
}

/**
 * The policy where no file was named: root, and who is in the group of the unix socket.
 *
 * @param gid undefined: nobody but root.
 */
export function builtInPolicy(gid: number | undefined): Policy {
  const identities = ['uid:0', ...(gid === undefined ? [] : [`gid:${gid}`])].map(compilePattern);
  return { rules: [{ identities, role: 'admin', tables: [], methods: [], groups: [], interfaces: [], owners: [] }] };
}

/**
 * Parses the text of a policy file; `file` is its name in messages.
 *
 * @throws ConfigurationError with all that is wrong.
 */
export function parsePolicy(text: string, file: string, resolver: NameResolver): ParsedPolicy {
  const reader = new YamlReader(file);
  if (Buffer.byteLength(text) > CONFIGURATION_MAX) reader.refuseAll(TOO_LARGE);
  const value = reader.parse(text);
  const top = value === undefined ? undefined : reader.section(value, 'the file', ['rules']);
  const nodes = reader.items(top?.values.get('rules'), 'rules');
  if (nodes.length > POLICY_RULES_MAX) reader.refuseAll(`has ${nodes.length} rules; ${POLICY_RULES_MAX} are allowed`);
  const warnings: string[] = [];
  const rules = nodes.flatMap((node) => {
    const { rule, warnings: ofRule } = readRule(reader, node, resolver);
    warnings.push(...ofRule.map((warning) => `${reader.lineOf(node)}: ${warning}`));
    return rule ?? [];
  });
  reader.throwIfAny();
  if (rules.length === 0) warnings.push('no rule grants anything: everybody is refused');
  return { policy: { rules }, warnings };
}
