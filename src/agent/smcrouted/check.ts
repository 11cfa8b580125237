// `smcrouted -F FILE`: what is wrong with a configuration on this host. Pure.
import { describeDiagnostic, hasErrors } from '../config/diagnostic.js';
import type { LoadedConfiguration } from '../config/load.js';
import { matchesInterface } from '../../model/interface.js';

/** What is printed, a line each, and whether the file can be used. */
export interface Report {
  readonly lines: readonly string[];
  readonly isValid: boolean;
}

/**
 * Beside what is wrong with the file as such, a `phyint` without an interface is an error, as for smcrouted: the line is
 * most often meant for an interface of another name. Rules and groups wait for theirs.
 *
 * @param present names of the interfaces that are there.
 */
export function checkConfiguration(
  file: string,
  { statements, diagnostics, isMissing }: LoadedConfiguration,
  present: readonly string[],
): Report {
  if (isMissing) return { lines: [`Configuration file ${file} does not exist`], isValid: false };
  const absent = statements.flatMap((statement) => {
    if (statement.kind !== 'phyint') return [];
    const { interface: pattern, place } = statement;
    if (present.some((name) => matchesInterface(pattern, name))) return [];
    return [{ ...place, text: `phyint ${pattern} does not exist on this system` }];
  });
  const found = diagnostics.map((diagnostic) => {
    const text = describeDiagnostic(diagnostic);
    return { ...diagnostic, text: diagnostic.severity === 'error' ? text : `warning: ${text}` };
  });
  // The files stay in the order in which they were read, and so do the lines of each.
  const order = [...new Set([...found, ...absent].map((finding) => finding.file))];
  const all = [...found, ...absent].sort(
    (a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
  return {
    lines: all.map(({ file: name, line, text }) => (line === 0 ? `${name}: ${text}` : `${name} line ${line}: ${text}`)),
    isValid: absent.length === 0 && !hasErrors(diagnostics),
  };
}

/** The names in the text of /proc/net/dev, which has all interfaces of the namespace and is for everyone to read. */
export function interfaceNames(procNetDev: string): string[] {
  return procNetDev.split('\n').flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}
