// Statements as text that parses to the same. Pure.
import { formatMgroup, formatMroute, formatPhyint } from '../../model/configuration-line.js';
import type { Statement } from './statement.js';

/** The statements in their one form, a line each. Comments and what stands where are not kept. */
export function renderConfiguration(statements: readonly Statement[]): string {
  return statements.map((statement) => `${renderStatement(statement)}\n`).join('');
}

/** A statement as one line, without its end. */
export function renderStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'phyint':
      return formatPhyint(statement);
    case 'mgroup':
      return formatMgroup(statement);
    case 'mroute':
      return formatMroute(statement);
    case 'include':
      return `include ${statement.pattern}`;
  }
}
