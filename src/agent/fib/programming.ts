// How packets of a rule are recognised, and why so.
import { addressKey, isAny, isHost } from '../../model/address.js';
import type { Programming } from '../../model/resource.js';
import { hasVif } from './oifs.js';
import type { CompiledRule, Rule } from './rule.js';
import type { GroupProgram } from './star-g.js';

/** The costliest of the ways of its iifs; undefined if the kernel holds nothing for the rule. Equal ones are one. */
export function programmingOf(rule: Rule): Programming | undefined {
  const { holder } = rule;
  const compiled = rule.compiled ?? [];
  const [first] = compiled;
  if (first === undefined) return undefined;
  if (holder.kind === 'prefix') return programming('learned', 'group-prefix');
  if (compiled.length === 1) return programmingOnIif(first, holder.program);
  const ways = compiled.flatMap((each) => programmingOnIif(each, holder.program) ?? []);
  const costs = ['learned', 'source-group', 'any-source'] as const;
  return costs.flatMap((kind) => ways.find((way) => way.kind === kind) ?? [])[0];
}

/** The way of one iif; exact sources whose answer is that of all others are served as those are. */
function programmingOnIif({ iif, source }: CompiledRule, program: GroupProgram): Programming | undefined {
  if (isHost(source)) {
    const key = addressKey(source.address);
    if (program.sources.has(key)) return programming('source-group', 'exact-source');
    if (program.contested.has(key)) return programming('learned', 'several-iifs-for-source');
  }
  if (program.proxies.some((proxy) => proxy.iif === iif)) return programming('any-source', 'any-source');
  if (!hasVif(program.upcallIifs, iif)) return undefined;
  const isPrefix = !isAny(source) && !isHost(source);
  const reason = program.upcallReasons.get(iif) ?? (isPrefix ? 'source-prefix' : 'learn-requested');
  return programming('learned', reason);
}

const KNOWN: Record<Programming['kind'], Map<string, Programming>> = {
  learned: new Map(),
  'source-group': new Map(),
  'any-source': new Map(),
};

function programming(kind: Programming['kind'], reason: string): Programming {
  const known = KNOWN[kind].get(reason) ?? { kind, reason };
  KNOWN[kind].set(reason, known);
  return known;
}
