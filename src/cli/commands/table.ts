// `table`: the tables of this host and their agents, as the supervisor keeps them.
import { type Command, InvalidArgumentError } from 'commander';
import type { TableEntry__Output } from '../../api/generated/mcroute/v1/TableEntry.js';
import type { TableServiceClient } from '../../api/generated/mcroute/v1/TableService.js';
import { ApiError } from '../../api/status.js';
import { parseTableId } from '../../model/table.js';
import type { Ask } from '../channel.js';
import { EXIT_INTERRUPTED, EXIT_OK } from '../errors.js';
import { untilInterrupted } from '../interrupt.js';
import { tableDocument, tableText, tablesView, titleOf, watchText } from '../output/tables.js';
import { withProgress } from '../progress.js';
import type { Run, Session } from '../session.js';
import { findTable, listTables } from '../supervisor.js';
import { type CreateOptions, withSettingOptions, settingsOf } from './table-settings.js';

/** Adds the commands to the one that they are part of. */
export function addTableCommands(table: Command, run: Run): void {
  table
    .description(
      'The multicast routing tables of this host and the agents that own them. The supervisor is asked, at ' +
        'supervisor.sock in MCROUTE_RUNTIME_DIRECTORY or at --socket. TABLE is an id or a name.',
    )
    .usage('[options] COMMAND ...')
    .addHelpText('after', HELP);
  addListCommands(table, run);
  addCreateCommand(table, run);
  addLifeCommands(table, run);
}

const HELP = `
Examples:
  mcctl table create 123 --name studio --families ipv4
  mcctl table list -o wide
  mcctl table restart studio                   forwarding goes on meanwhile
  mcctl table stop studio --keep-forwarding`;

function addListCommands(table: Command, run: Run): void {
  table
    .command('list')
    .summary('list the tables')
    .description('Lists the tables and how their agents are doing. With --watch, every change follows as it comes.')
    .option('--watch', 'go on with changes, a line each, until SIGINT')
    .addHelpText('after', "\nExamples:\n  mcctl table list\n  mcctl table list --watch -o json | jq -r '.state'")
    .action((options: { readonly watch?: boolean }, command: Command) =>
      run(command, (session) => (options.watch === true ? watch(session) : list(session)), {
        isEndless: options.watch === true,
      }),
    );

  table
    .command('show')
    .summary('show all of a table')
    .description('Shows the state, the settings and the last error of a table.')
    .argument('<table>', 'id or name')
    .addHelpText('after', '\nExamples:\n  mcctl table show studio')
    .action((word: string, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const { supervisor, printer } = session;
        const entries = await listTables(supervisor, await findTable(supervisor, word));
        for (const entry of entries) {
          await printer.result(
            () => tableDocument(entry),
            () => tableText(entry, Date.now()),
          );
        }
        return EXIT_OK;
      }),
    );
}

function addCreateCommand(table: Command, run: Run): void {
  const create = table
    .command('create')
    .summary('make a table and start its agent')
    .description(
      'Makes a table and starts its agent; done when that serves. The table outlives the supervisor and the machine. ' +
        'One that is there with the same settings stays as it is.',
    )
    .argument('<table>', "the kernel's id, 1 to 99999999", readTableId);
  withSettingOptions(create)
    .addHelpText(
      'after',
      `
Examples:
  mcctl table create 123 --name studio
  mcctl table create 124 --netns blue --user mcroute:mcroute --star-g learn --cache-timeout 30`,
    )
    .action((id: number, options: CreateOptions, command: Command) =>
      run(command, (session) =>
        change(session, `creating table ${id}`, 'created', (client, callOptions, callback) =>
          client.createTable({ table: id, settings: settingsOf(options) }, callOptions, callback),
        ),
      ),
    );
}

function addLifeCommands(table: Command, run: Run): void {
  table
    .command('delete')
    .summary('stop a table and forget it')
    .description(
      'Stops the agent, removes what the kernel holds for the table, and forgets its settings. What was wanted of the ' +
        'table is kept, and a table of this id that is created later has it; --forget deletes that too.',
    )
    .argument('<table>', 'id or name')
    .option('--forget', 'delete what was wanted of the table too')
    .addHelpText('after', '\nExamples:\n  mcctl table delete studio\n  mcctl table delete 123 --forget')
    .action((word: string, options: { readonly forget?: boolean }, command: Command) =>
      run(command, (session) => remove(session, word, options.forget ?? false)),
    );

  table
    .command('start')
    .summary('start the agent of a stopped or failed table')
    .description('Starts the agent of a table that was stopped or has failed; done when it serves.')
    .argument('<table>', 'id or name')
    .addHelpText('after', '\nExamples:\n  mcctl table start studio')
    .action((word: string, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const id = await findTable(session.supervisor, word);
        return change(session, `starting table ${id}`, 'started', (client, callOptions, callback) =>
          client.startTable({ table: id }, callOptions, callback),
        );
      }),
    );

  table
    .command('stop')
    .summary('end the agent of a table')
    .description(
      'Ends the agent and removes what the kernel holds for the table. It stays stopped, also over a restart of the ' +
        'machine, until it is started.',
    )
    .argument('<table>', 'id or name')
    .option('--keep-forwarding', 'leave in the kernel what is there: what it knows is forwarded on')
    .addHelpText('after', '\nExamples:\n  mcctl table stop studio\n  mcctl table stop studio --keep-forwarding')
    .action((word: string, { keepForwarding = false }: { readonly keepForwarding?: boolean }, command: Command) =>
      run(command, async (session) => {
        const id = await findTable(session.supervisor, word);
        const what = keepForwarding ? 'stopped, and forwards on' : 'stopped';
        return change(session, `stopping table ${id}`, what, (client, callOptions, callback) =>
          client.stopTable({ table: id, keepForwarding }, callOptions, callback),
        );
      }),
    );

  table
    .command('restart')
    .summary('replace the agent of a table')
    .description('Replaces the agent by a new process, which takes over its sockets: forwarding goes on meanwhile.')
    .argument('<table>', 'id or name')
    .addHelpText('after', '\nExamples:\n  mcctl table restart studio')
    .action((word: string, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const id = await findTable(session.supervisor, word);
        return change(session, `restarting table ${id}`, 'restarted', (client, callOptions, callback) =>
          client.restartTable({ table: id }, callOptions, callback),
        );
      }),
    );
}

async function list({ supervisor, printer }: Session): Promise<number> {
  const pages = async function* () {
    yield { rows: await listTables(supervisor) };
  };
  await printer.list(tablesView(Date.now()), pages(), 'no tables');
  return EXIT_OK;
}

function watch({ supervisor, terminal, printer, options }: Session): Promise<number> {
  return untilInterrupted(async (signal) => {
    for await (const message of supervisor.follow((client) => client.watchTables({ table: 0 }), signal)) {
      await terminal.write(watchText(message, options.output, terminal.hasColour, printer.host));
    }
    if (signal.aborted) return EXIT_INTERRUPTED;
    throw new ApiError('AGENT_UNAVAILABLE', 'the supervisor has ended the watch', { metadata: { cure: '' } });
  });
}

/** Asks for a change, and says what became of the table and how long it took. */
async function change(
  { supervisor, terminal, printer }: Session,
  doing: string,
  done: string,
  ask: Ask<TableServiceClient, { readonly entry: TableEntry__Output | null }>,
): Promise<number> {
  const startMs = performance.now();
  const { entry } = await withProgress(terminal, doing, supervisor.ask(ask));
  const tookMs = Math.round(performance.now() - startMs);
  if (entry === null) throw new ApiError('INTERNAL', 'the reply has no table');
  await printer.result(
    () => ({ ...tableDocument(entry), took_ms: tookMs }),
    () => {
      const process = entry.pid === 0 ? '' : ` (process ${entry.pid})`;
      return `${titleOf(entry)} ${done} in ${(tookMs / 1_000).toFixed(1)} s${process}\n`;
    },
  );
  return EXIT_OK;
}

async function remove(
  { supervisor, terminal, printer }: Session,
  word: string,
  forgetWishes: boolean,
): Promise<number> {
  const table = await findTable(supervisor, word);
  const work = supervisor.ask((client, callOptions, callback) =>
    client.deleteTable({ table, forgetWishes }, callOptions, callback),
  );
  await withProgress(terminal, `deleting table ${table}`, work);
  await printer.result(
    () => ({ deleted: table }),
    () => `table ${table} deleted\n`,
  );
  return EXIT_OK;
}

function readTableId(text: string): number {
  const table = parseTableId(text);
  if (table === undefined) throw new InvalidArgumentError('A table is made with its id, 1 to 99999999.');
  return table;
}
