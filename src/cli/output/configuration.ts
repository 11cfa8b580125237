// Resources as text in the grammar of smcroute.conf, which an agent reads with --file. Pure.
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { Violations, parseResources } from '../../api/parse.js';
import { formatResourceLine, whyUnwritable } from '../../model/configuration-line.js';
import { type Resource, formatResourceKey } from '../../model/resource.js';
import { CliError } from '../errors.js';

/** Resources that one error tells of. */
const TOLD_MAX = 100;

/**
 * Renders a configuration: `phyint` lines first, as vifs are given in their order, then `mroute` and `mgroup`. Labels
 * become comments.
 *
 * @throws CliError BAD_FILE with all that the grammar has no words for, if anything is so: a file that lacks a rule which
 * denies lets packets through.
 */
export function renderConfigurationFile(wire: readonly Resource__Output[]): string {
  const violations = new Violations();
  const resources = parseResources(wire, 0, violations);
  violations.throwIfAny();
  refuseUnwritable(resources);
  const lines = (kind: Resource['key']['kind']) =>
    resources.filter(({ key }) => key.kind === kind).map((one) => commentOf(one) + formatResourceLine(one));
  return [...lines('interface'), ...lines('mroute'), ...lines('membership')].map((line) => `${line}\n`).join('');
}

function refuseUnwritable(resources: readonly Resource[]): void {
  const problems = resources.flatMap((resource) => {
    const why = whyUnwritable(resource);
    return why === undefined ? [] : [`${formatResourceKey(resource.key)}: a line ${why}`];
  });
  if (problems.length === 0) return;
  const told = problems.slice(0, TOLD_MAX);
  const hidden = problems.length - told.length;
  throw new CliError('BAD_FILE', 'not all of it can be said in smcroute.conf', [
    ...told,
    ...(hidden > 0 ? [`(and ${hidden} more)`] : []),
    'export without --conf, which has words for all of it',
  ]);
}

/** The label as lines of their own, since a comment ends with its line. */
function commentOf(resource: Resource): string {
  if (!('label' in resource) || resource.label === '') return '';
  return resource.label
    .split(/[\r\n]+/)
    .map((text) => `# ${text.replace(/\p{Cc}/gu, ' ')}\n`)
    .join('');
}
