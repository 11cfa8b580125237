// `export`: an owner's resources as a file.
import type { Command } from 'commander';
import type { ListRequest } from '../../api/generated/mcroute/v1/ListRequest.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { EXIT_OK } from '../errors.js';
import { renderResourceFile } from '../output/resource-file.js';
import type { Run, Session } from '../session.js';

/** Adds the command to the program. */
export function addExportCommand(program: Command, run: Run): void {
  program
    .command('export')
    .summary("print an owner's resources as a file that apply takes")
    .description("Prints the resources of --owner as a file that apply takes: YAML, or JSON with '-o json'.")
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 --owner config export > net.yaml')
    .action((_options: unknown, command: Command) =>
      run(command, async (session) => {
        const resources = await readOwned(session);
        const format = session.options.output === 'json' ? 'json' : 'yaml';
        await session.terminal.write(renderResourceFile(resources, format));
        return EXIT_OK;
      }),
    );
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
