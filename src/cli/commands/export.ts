// `export`: an owner's resources as a file.
import type { Command } from 'commander';
import type { ListRequest } from '../../api/generated/mcroute/v1/ListRequest.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { CliError, EXIT_OK } from '../errors.js';
import { renderConfigurationFile } from '../output/configuration.js';
import { type Format, isDocumentFormat } from '../output/list.js';
import { renderResourceFile } from '../output/resource-file.js';
import type { Run, Session } from '../session.js';

/** Adds the command to the program. */
export function addExportCommand(program: Command, run: Run): void {
  program
    .command('export')
    .summary("print an owner's resources as a file that apply takes")
    .description(
      `Prints the resources of --owner as a file that apply takes: YAML, or JSON with '-o json'.
With --conf as one that 'mcroute-agent --file' takes; what that has no words for (deny) is refused, and labels become comments.`,
    )
    .option('--conf', 'in the grammar of smcroute.conf')
    .addHelpText(
      'after',
      `
Examples:
  mcctl -t 5 --owner config export > net.yaml
  mcctl -t 5 export --conf > table5.conf`,
    )
    .action((options: ExportOptions, command: Command) =>
      run(
        command,
        async (session) => {
          const render = rendererOf(options, session.options.output);
          await session.terminal.write(render(await readOwned(session)));
          return EXIT_OK;
        },
        { isForOneHost: true },
      ),
    );
}

interface ExportOptions {
  readonly conf?: boolean;
}

function rendererOf({ conf }: ExportOptions, output: Format): (resources: readonly Resource__Output[]) => string {
  if (conf !== true) return (resources) => renderResourceFile(resources, output === 'json' ? 'json' : 'yaml');
  if (isDocumentFormat(output)) {
    throw new CliError('USAGE', `export: --conf and --output ${output} exclude each other`, [
      'smcroute.conf is neither JSON nor YAML: leave one of the two out',
    ]);
  }
  return renderConfigurationFile;
}

/** All of them, since the file has them by kind. */
async function readOwned({ agent, options }: Session): Promise<Resource__Output[]> {
  const request: ListRequest = { table: agent.table, filter: { owner: options.owner } };
  const resources: Resource__Output[] = [];
  for await (const { entries } of agent.read((client, callOptions) => client.list(request, callOptions))) {
    for (const { resource } of entries) if (resource !== null) resources.push(resource);
  }
  return resources;
}
