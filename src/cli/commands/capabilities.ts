// `capabilities` and `version`: what the agent and this program are.
import type { Command } from 'commander';
import type { GetCapabilitiesResponse__Output } from '../../api/generated/mcroute/v1/GetCapabilitiesResponse.js';
import type { Agent } from '../connect.js';
import { EXIT_OK } from '../errors.js';
import { capabilitiesDocument, capabilitiesText } from '../output/capabilities.js';
import type { Run } from '../session.js';

/** Adds the commands to the program. */
export function addCapabilitiesCommands(program: Command, run: Run, version: string): void {
  program
    .command('capabilities')
    .summary('tell what the agent and its kernel can do')
    .description('Tells what the agent and its kernel can do, and the limits of both.')
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 capabilities -o json')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ agent, printer }) => {
        const capabilities = await askCapabilities(agent);
        await printer.result(
          () => capabilitiesDocument(capabilities),
          () => capabilitiesText(capabilities),
        );
        return EXIT_OK;
      }),
    );

  program
    .command('version')
    .summary('tell the versions of mcctl and, where one is given, of the agent')
    .description('Tells the version of mcctl and, where a table or a socket is given, that of the agent.')
    .addHelpText('after', '\nExamples:\n  mcctl version\n  mcctl -t 5 version')
    .action((_options: unknown, command: Command) =>
      run(command, async (session) => {
        const agent = session.hasEndpoint ? await askCapabilities(session.agent) : undefined;
        await session.printer.result(
          () => ({ mcctl: version, agent: agent?.serverVersion ?? null, api: agent?.apiVersion ?? null }),
          () => {
            const agentText = agent === undefined ? '' : `agent ${agent.serverVersion} (API ${agent.apiVersion})\n`;
            return `mcctl ${version}\n${agentText}`;
          },
        );
        return EXIT_OK;
      }),
    );
}

function askCapabilities(agent: Agent): Promise<GetCapabilitiesResponse__Output> {
  return agent.ask((client, callOptions, callback) =>
    client.getCapabilities({ table: agent.table }, callOptions, callback),
  );
}
