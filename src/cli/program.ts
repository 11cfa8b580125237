// The command line: options, commands, help, and what becomes of failures.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { addApplyCommand } from './commands/apply.js';
import { addCapabilitiesCommands } from './commands/capabilities.js';
import { addCertificateCommands } from './commands/certificate.js';
import { addContextCommands } from './commands/context.js';
import { addDiffCommand } from './commands/diff.js';
import { addExportCommand } from './commands/export.js';
import { addFlushCommand } from './commands/flush.js';
import { addGatewayCommands } from './commands/gateway.js';
import { addHistoryCommand } from './commands/history.js';
import { addInterfaceCommand } from './commands/interface.js';
import { addMembershipCommands } from './commands/membership.js';
import { addPolicyCommands } from './commands/policy.js';
import { addReloadCommands } from './commands/reload.js';
import { addRollbackCommands } from './commands/rollback.js';
import { addRouteCommands } from './commands/route.js';
import { addShowCommand } from './commands/show.js';
import { addTableCommands } from './commands/table.js';
import { addWatchCommand } from './commands/watch.js';
import { parseTableWord } from './connect.js';
import { CliError, EXIT_OK, errorLines, exitCodeOf } from './errors.js';
import { FORMATS } from './output/list.js';
import type { ProgramSession, Surroundings } from './program-session.js';
import { HOST_HELP } from './remote/host-address.js';
import { DEFAULT_OWNER, type TypedOptions, runForHosts, runHere } from './run.js';
import type { Run, RunLocally } from './session.js';
import { abbreviationsOf, findName } from './words.js';

/** Runs the words after the program's name; resolves to its status. Failures have been told on stderr by then. */
export async function runProgram(words: readonly string[], surroundings: Surroundings): Promise<number> {
  let status = EXIT_OK;
  const fail = (error: unknown) => {
    for (const line of errorLines(error)) surroundings.stderr.write(`${line}\n`);
    status = exitCodeOf(error);
  };
  const runs: Runs = {
    // What an agent is asked goes to the table's socket, which has the name of its id.
    atAgent: async (command, body, options) => {
      const withTable = async (session: ProgramSession) => {
        await session.resolveTable();
        return body(session);
      };
      status = await runForHosts(command.optsWithGlobals<TypedOptions>(), surroundings, withTable, options);
    },
    atSupervisor: async (command, body, options) => {
      status = await runForHosts(command.optsWithGlobals<TypedOptions>(), surroundings, body, options);
    },
    here: async (command, body) => {
      status = await runHere(command.optsWithGlobals<TypedOptions>(), surroundings, body);
    },
  };
  try {
    await buildProgram(runs, words, surroundings).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error);
    else if (error.exitCode === 0) status = EXIT_OK;
    else if (error.code === 'commander.help') status = exitCodeOf(new CliError('USAGE', 'nothing to do'));
    else fail(usageError(error));
  }
  return status;
}

/** How commands are run, by what they ask. */
interface Runs {
  readonly atAgent: Run;
  /** Also at the gateway itself: no table needs to be looked up. */
  readonly atSupervisor: Run;
  readonly here: RunLocally;
}

function buildProgram(runs: Runs, words: readonly string[], { stdout, stderr, version }: Surroundings): Command {
  const { atAgent: run } = runs;
  const program = new Command('mcctl')
    .description('Controls the multicast routes of a table.')
    .usage('[options] COMMAND ...')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // Told with all other failures.
      outputError: () => undefined,
    })
    // Abbreviations are aliases, too many to be shown.
    .configureHelp({
      commandUsage: (command) => `${pathOf(command)} ${command.usage()}`,
      subcommandTerm: (command) => command.name(),
      showGlobalOptions: true,
    })
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .version(`mcctl ${version}`, '-V, --version', 'show the version')
    .option(
      '-t, --table <table>',
      'the table, by id or name, whose agent is at MCROUTE_RUNTIME_DIRECTORY/ID.sock (env MCROUTE_TABLE)',
      readTable,
    )
    .option('-u, --socket <path>', "the agent's socket (env MCROUTE_SOCKET)")
    .addOption(new Option('-o, --output <format>', 'how results are printed').choices(FORMATS).default('table'))
    .option('--owner <name>', `whose resources are changed (default: that of the context, or "${DEFAULT_OWNER}")`)
    .option('--host <host>', 'the gateway of another host, or of several: may be repeated (env MCROUTE_HOST)', collect)
    .option(
      '--context <name>',
      "hosts by the name that 'context add' gave them; local is this host (env MCROUTE_CONTEXT)",
    )
    .option('--ca <file>', "certificates that the gateway's must be signed by (env MCROUTE_CA)")
    .option('--cert <file>', 'certificate that is shown to the gateway (env MCROUTE_CERT)')
    .option('--key <file>', 'its key (env MCROUTE_KEY)')
    .option('--server-name <name>', "the name that the gateway's certificate must have, if not that of the host")
    .option('--timeout <seconds>', 'time that a call may take, except watch', readTimeout, 30)
    .option('--no-color', 'no colours, as with NO_COLOR')
    .addHelpText('after', HELP);
  addRouteCommands(program, run);
  addMembershipCommands(program, run);
  addInterfaceCommand(program, run);
  addShowCommand(program, run);
  addWatchCommand(program, run);
  addApplyCommand(program, run);
  addDiffCommand(program, run);
  addExportCommand(program, run);
  addFlushCommand(program, run);
  addReloadCommands(program, run);
  addCapabilitiesCommands(program, run, version);
  addHistoryCommand(program, run);
  addRollbackCommands(program, run);
  addGatewayCommands(program, run);
  for (const { name, summary, add } of GROUPS) {
    const group = program.command(name).summary(summary);
    // Most runs are about none of them, and it takes time to say it all.
    if (!words.some((word) => word !== '' && name.startsWith(word))) continue;
    add(group, runs);
    addAbbreviations(group);
  }
  addAbbreviations(program);
  return program;
}

/** Commands that have commands. */
const GROUPS: readonly {
  readonly name: string;
  readonly summary: string;
  readonly add: (group: Command, runs: Runs) => void;
}[] = [
  {
    name: 'table',
    summary: 'list, make, start and stop the tables of a host',
    add: (group, { atSupervisor }) => {
      addTableCommands(group, atSupervisor);
    },
  },
  {
    name: 'policy',
    summary: 'show, check and change who may do what at a gateway',
    add: (group, { atSupervisor }) => {
      addPolicyCommands(group, atSupervisor);
    },
  },
  {
    name: 'context',
    summary: 'give hosts a name, and choose which are meant',
    add: (group, { here }) => {
      addContextCommands(group, here);
    },
  },
  {
    name: 'cert',
    summary: 'make certificates: an authority, for gateways, for those who call',
    add: (group, { here }) => {
      addCertificateCommands(group, here);
    },
  },
];

const HELP = `
Commands may be shortened as long as they can be told apart (sh, rem).

Examples:
  mcctl -t 5 add eth0 10.0.0.5 239.1.1.1 eth1 eth2
  mcctl -t 5 show -o wide
  mcctl -t 5 apply -f net.yaml
  mcctl table create 6 --name studio
  mcctl --host gw1.example,gw2.example -t 5 show

Without --host, --context and their variables this host is meant, at the agent's socket, unless 'mcctl context use' says otherwise.
A HOST is ${HOST_HELP}.

Status: 0 done; 64 wrong usage; 65 wrong value or file; 66 no such file; 69 no agent or gateway; 70 a bug; 73 could not be
saved; 75 try again; 77 no permission, or not trusted; 78 wrong environment; 1 anything else. Of several hosts, the worst.`;

/** The words that a command is called by, `mcctl table list`. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** Lets commands be shortened, and refuses what is no command. */
function addAbbreviations(program: Command): void {
  const names = [...program.commands.flatMap((command) => [command.name(), ...command.aliases()]), 'help'];
  for (const command of program.commands) {
    // `del` begins `delete`, which is the same command.
    const others = names.filter((name) => !command.aliases().includes(name));
    for (const abbreviation of abbreviationsOf(command.name(), others)) command.alias(abbreviation);
  }
  program.on('command:*', ([word = '']: string[]) => {
    const meaning = findName(word, names);
    if (meaning.kind === 'ambiguous') {
      throw new CliError('USAGE', `'${word}' may be ${meaning.names.join(' or ')}`);
    }
    const hint =
      meaning.kind === 'unknown' && meaning.nearest !== undefined ? [`did you mean '${meaning.nearest}'?`] : [];
    const help = program.parent === null ? 'mcctl help' : `mcctl help ${program.name()}`;
    throw new CliError('USAGE', `there is no command '${word}'`, [...hint, `'${help}' lists them`]);
  });
}

function usageError(error: CommanderError): CliError {
  const [first = '', ...others] = error.message.split('\n');
  return new CliError('USAGE', first.replace(/^error: /, ''), others);
}

function collect(text: string, others: readonly string[] = []): string[] {
  return [...others, text];
}

function readTable(text: string): number | string {
  const table = parseTableWord(text);
  if (table === undefined) throw new InvalidArgumentError('A table is 1 to 99999999, or a name.');
  return table;
}

/** Seconds, a day at most; longer waits serve nobody and a timer cannot hold them all. */
function readTimeout(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError('It is a number of seconds, more than 0 and 86400 at most.');
  }
  return seconds;
}
