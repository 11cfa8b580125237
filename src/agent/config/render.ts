// Statements as text that parses to the same. Pure.
import { formatPrefix, isAny } from '../../model/address.js';
import type { MgroupStatement, MrouteStatement, PhyintStatement, Statement } from './statement.js';

/** The statements in their one form, a line each. Comments and what stands where are not kept. */
export function renderConfiguration(statements: readonly Statement[]): string {
  return statements.map((statement) => `${renderStatement(statement)}\n`).join('');
}

/** A statement as one line, without its end. */
export function renderStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'phyint':
      return renderPhyint(statement);
    case 'mgroup':
      return `mgroup ${renderFlow(statement)}`;
    case 'mroute':
      return renderMroute(statement);
    case 'include':
      return `include ${statement.pattern}`;
  }
}

function renderPhyint(phyint: PhyintStatement): string {
  const words = ['phyint', phyint.interface];
  if (phyint.isEnabled !== undefined) words.push(phyint.isEnabled ? 'enable' : 'disable');
  if (phyint.mrdisc) words.push('mrdisc');
  if (phyint.querier) words.push('querier');
  if (phyint.ttlThreshold !== undefined) words.push('ttl-threshold', String(phyint.ttlThreshold));
  for (const boundary of phyint.boundaries) words.push('boundary', formatPrefix(boundary));
  return words.join(' ');
}

function renderMroute(mroute: MrouteStatement): string {
  const { except, oifs } = mroute;
  const words = ['mroute', renderFlow(mroute)];
  if (except.length > 0) words.push('except', except.map(formatPrefix).join(','));
  if (oifs.length > 0) words.push('to');
  for (const { interface: name, ttlThreshold } of oifs) {
    words.push(ttlThreshold === undefined ? name : `${name}@${ttlThreshold}`);
  }
  return words.join(' ');
}

function renderFlow({ iif, source, group }: MgroupStatement | MrouteStatement): string {
  return `from ${iif}${isAny(source) ? '' : ` source ${formatPrefix(source)}`} group ${formatPrefix(group)}`;
}
