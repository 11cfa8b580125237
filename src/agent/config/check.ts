// What is wrong with statements taken together. Pure.
import { canonicalPrefixes, samePrefix } from '../../model/address.js';
import { OIFS_PER_MROUTE_MAX } from '../../model/limits.js';
import type { Findings } from './diagnostic.js';
import { mrouteIdentity } from './resources.js';
import type { MrouteStatement, PhyintStatement, Statement } from './statement.js';

/** Tells of `phyint` lines that replace others, and of `mroute` lines of one rule that cannot be united. */
export function checkStatements(statements: readonly Statement[], findings: Findings): void {
  const phyints = new Map<string, PhyintStatement>();
  const rules = new Map<string, MrouteStatement>();
  // Most rules have one line: only of those with more is it known what they have together.
  const unions = new Map<MrouteStatement, Set<string>>();
  for (const statement of statements) {
    if (statement.kind === 'phyint') {
      const { interface: name, place } = statement;
      const earlier = phyints.get(name);
      if (earlier !== undefined) {
        findings.warning(place, 'phyint', `is here again for ${name} and replaces ${where(earlier, statement)}`);
      }
      phyints.set(name, statement);
    }
    if (statement.kind !== 'mroute') continue;
    const identity = mrouteIdentity(statement);
    const first = rules.get(identity);
    if (first === undefined) {
      rules.set(identity, statement);
      continue;
    }
    let oifs = unions.get(first);
    if (oifs === undefined) unions.set(first, (oifs = new Set(first.oifs.map((oif) => oif.interface))));
    checkUnion(first, statement, oifs, findings);
  }
}

/** Adds the oifs of a later line to those of the earlier ones. */
function checkUnion(first: MrouteStatement, later: MrouteStatement, oifs: Set<string>, findings: Findings): void {
  const before = oifs.size;
  for (const oif of later.oifs) oifs.add(oif.interface);
  if (before <= OIFS_PER_MROUTE_MAX && oifs.size > OIFS_PER_MROUTE_MAX) {
    findings.error(later.place, 'mroute', `has more than ${OIFS_PER_MROUTE_MAX} oifs with ${where(first, later)}`);
  }
  if (!sameExcept(first, later)) {
    findings.error(later.place, 'mroute', `has another 'except' than ${where(first, later)} for the same flows`);
  }
}

function sameExcept(a: MrouteStatement, b: MrouteStatement): boolean {
  if (a.except.length === 0 && b.except.length === 0) return true;
  const [mine, other] = [canonicalPrefixes(a.except), canonicalPrefixes(b.except)];
  return mine.length === other.length && mine.every((prefix, i) => other[i] && samePrefix(prefix, other[i]));
}

/** The line of the earlier statement, with its file if that is another. */
function where(earlier: Statement, later: Statement): string {
  const { file, line } = earlier.place;
  return file === later.place.file ? `line ${line}` : `line ${line} of ${file}`;
}
