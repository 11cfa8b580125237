// `diff`: what `apply` would change.
import type { Command } from 'commander';
import type { ListRequest } from '../../api/generated/mcroute/v1/ListRequest.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { EXIT_OK } from '../errors.js';
import { canonical } from '../file/canonical.js';
import type { ResourceFile } from '../file/resource-file.js';
import { type Difference, differenceDocument, differenceLines, differenceOf } from '../output/differences.js';
import { isDocumentFormat } from '../output/list.js';
import { countEffects } from '../output/results.js';
import type { Run, Session } from '../session.js';
import { applyFile, replaceByFile, resourceFileOf } from './file-request.js';

/** Adds the command to the program. */
export function addDiffCommand(program: Command, run: Run): void {
  program
    .command('diff')
    .summary('tell what apply would change')
    .description(
      'Tells what apply would change, and changes nothing. The status is 0 where nothing would, 1 where something ' +
        'would, and 2 or more where it cannot be told.',
    )
    .requiredOption('-f, --file <path>', 'the file or the folder, as for apply; - is stdin')
    .option('--prune', 'also what this owner has and the file does not')
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 diff -f net.yaml\n  mcctl -t 5 diff -f net.yaml --prune -o json')
    .action((options: DiffOptions, command: Command) => {
      const file = resourceFileOf(options.file);
      return run(command, async (session) => diff(session, await file(session), options), {
        failureCode: EXIT_TROUBLE,
      });
    });
}

interface DiffOptions {
  readonly file: string;
  readonly prune?: boolean;
}

/** What would change, and how much of it is not among the differences. */
interface Plan {
  readonly differences: readonly Difference[];
  readonly hiddenCount: number;
}

// As of diff(1), so that a difference and a failure can be told apart.
const EXIT_DIFFERENT = 1;
const EXIT_TROUBLE = 2;

const DRY_RUN = { dryRun: true };

async function diff(session: Session, file: ResourceFile, options: DiffOptions): Promise<number> {
  const plan = options.prune === true ? await planReplace(session, file) : await planApply(session, file);
  const { differences, hiddenCount } = plan;
  const { terminal, printer } = session;
  await printer.result(
    () => ({ differences: differences.map(differenceDocument), more: hiddenCount }),
    () => differences.map((difference) => differenceLines(difference, terminal.hasColour)).join(''),
  );
  if (hiddenCount > 0 && !isDocumentFormat(session.options.output)) terminal.note(`(and ${hiddenCount} more)`);
  return differences.length + hiddenCount > 0 ? EXIT_DIFFERENT : EXIT_OK;
}

async function planReplace(session: Session, file: ResourceFile): Promise<Plan> {
  const response = await replaceByFile(session, file, DRY_RUN);
  const { added, changed, removed, differences } = response;
  return {
    differences: differences.map(differenceOf),
    hiddenCount: Math.max(0, added + changed + removed - differences.length),
  };
}

async function planApply(session: Session, file: ResourceFile): Promise<Plan> {
  const response = await applyFile(session, file, DRY_RUN, 'all');
  const { added, changed, removed } = countEffects(response);
  if (response.differences.length > 0) {
    const differences = response.differences.map(differenceOf);
    return { differences, hiddenCount: Math.max(0, added + changed + removed - differences.length) };
  }
  // An agent of an earlier version tells effects alone.
  const wanted = file.resources.map(canonical);
  const held = await readHeld(session, new Set(wanted.map(({ key }) => key)));
  const differences: Difference[] = [];
  for (const [index, { effect }] of response.results.entries()) {
    const after = wanted[index];
    if (after === undefined || effect === 'EFFECT_UNCHANGED') continue;
    differences.push({ before: held.get(after.key), after: after.resource });
  }
  return { differences, hiddenCount: 0 };
}

/** What the owner has of these keys. */
async function readHeld(session: Session, keys: ReadonlySet<string>): Promise<Map<string, Resource__Output>> {
  const { agent, options } = session;
  const request: ListRequest = { table: agent.table, filter: { owner: options.owner } };
  const held = new Map<string, Resource__Output>();
  for await (const { entries } of agent.read((client, callOptions) => client.list(request, callOptions))) {
    for (const { resource } of entries) {
      if (resource === null) continue;
      const { key } = canonical(resource);
      if (keys.has(key)) held.set(key, resource);
    }
  }
  return held;
}
