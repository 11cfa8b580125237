// The gateway itself: `show gateway`, `whoami` and `audit`.
import type { Command } from 'commander';
import type { GetGatewayResponse__Output } from '../../api/generated/mcroute/v1/GetGatewayResponse.js';
import type { WhoAmIResponse__Output } from '../../api/generated/mcroute/v1/WhoAmIResponse.js';
import { ApiError } from '../../api/status.js';
import { EXIT_INTERRUPTED, EXIT_OK } from '../errors.js';
import { untilInterrupted } from '../interrupt.js';
import { auditText } from '../output/audit.js';
import { gatewayDocument, gatewayText, identityDocument, identityText } from '../output/gateway.js';
import type { Run, Session } from '../session.js';

/** Adds the commands to the program. */
export function addGatewayCommands(program: Command, run: Run): void {
  program
    .command('whoami')
    .summary('tell who a gateway takes this caller for, and what it may do')
    .description('Tells who the gateway takes this caller for, and what that identity may do.')
    .addHelpText('after', '\nExamples:\n  mcctl whoami\n  mcctl --host gw1.example whoami -o json')
    .action((_options: unknown, command: Command) => run(command, whoAmI));
  program
    .command('audit')
    .summary('show what is changed and refused at a gateway, as it happens')
    .description(
      'Shows the lines of the audit file from now on, until SIGINT: every change and every refusal. With --table only ' +
        'those of the table. Only admins may.',
    )
    .option('--follow', 'what it does anyway')
    .addHelpText(
      'after',
      '\nExamples:\n  mcctl audit -o wide\n  mcctl audit -o json | jq -r \'select(.outcome != "OK")\'',
    )
    .action((_options: unknown, command: Command) => run(command, watchAudit, { isEndless: true }));
}

/** How the gateway is doing. */
export async function showGateway({ gateway, printer, terminal }: Session): Promise<void> {
  const reply = await gateway.ask<GetGatewayResponse__Output>((client, callOptions, callback) =>
    client.getGateway({}, callOptions, callback),
  );
  await printer.result(
    () => gatewayDocument(reply),
    () => gatewayText(reply, Date.now(), terminal.hasColour),
  );
}

async function whoAmI({ gateway, printer }: Session): Promise<number> {
  const reply = await gateway.ask<WhoAmIResponse__Output>((client, callOptions, callback) =>
    client.whoAmI({}, callOptions, callback),
  );
  await printer.result(
    () => identityDocument(reply),
    () => identityText(reply),
  );
  return EXIT_OK;
}

function watchAudit({ gateway, printer, terminal, table, options }: Session): Promise<number> {
  return untilInterrupted(async (signal) => {
    for await (const message of gateway.follow((client) => client.watchAudit({ table: table ?? 0 }), signal)) {
      await terminal.write(auditText(message, options.output, printer.host));
    }
    if (signal.aborted) return EXIT_INTERRUPTED;
    throw new ApiError('AGENT_UNAVAILABLE', 'the gateway has ended the audit', { metadata: { cure: '' } });
  });
}
