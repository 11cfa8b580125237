// mcroute-supervisor: arguments in, agents that are kept alive until it is told to end.
import { existsSync, mkdirSync } from 'node:fs';
import { Command, Option } from 'commander';
import { EXIT_CODE } from '../runtime/exit-code.js';
import { failStart, readOrFail } from '../runtime/failed-start.js';
import { takeListenFds } from '../runtime/listen-fds.js';
import { LOG_LEVELS, type LogLevel, type Logger, openLog } from '../runtime/log.js';
import { openNotifier, watchdogTimeoutMs } from '../runtime/notify.js';
import { runtimeDirectory, stateDirectory } from '../runtime/paths.js';
import { tellLastErrorInSource } from '../runtime/stack.js';
import { TREE, readVersion } from '../runtime/tree.js';
import { type Configuration, EMPTY_CONFIGURATION, readConfiguration } from './configuration.js';
import { missingPieces } from './launch.js';
import { Life } from './life.js';
import { type RunningSupervisor, startSupervisor } from './start.js';

interface Arguments {
  readonly config: string;
  readonly check?: true;
  readonly stateDirectory: string;
  readonly runtimeDirectory: string;
  readonly logLevel: LogLevel;
}

const PROGRAM = 'mcroute-supervisor';
const DEFAULT_CONFIGURATION = '/etc/mcroute/mcroute.yaml';

/** Codes of errors that end in EX_NOPERM: another start would meet them again. */
const NO_PERMISSION: ReadonlySet<unknown> = new Set(['EPERM', 'EACCES', 'EROFS']);

tellLastErrorInSource();
const program = new Command(PROGRAM)
  .description('Keeps an agent for each multicast routing table of the host, and its gateway.')
  .version(readVersion(), '-v, --version')
  .option('-f, --config <file>', 'the tables, in YAML', DEFAULT_CONFIGURATION)
  .option('--check', 'say what is wrong with the file, and end')
  .option(
    '--state-directory <directory>',
    'where tables and wishes are saved',
    stateDirectory(process.env) ?? '/var/lib/mcroute',
  )
  .option('--runtime-directory <directory>', 'where the sockets are', runtimeDirectory(process.env))
  .addOption(new Option('-l, --log-level <level>', 'what is logged').choices(LOG_LEVELS).default('notice'))
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage);
  });

void main(program.parse().opts<Arguments>());

async function main(options: Arguments): Promise<void> {
  const configuration = readOrFail(PROGRAM, () => readFile(options.config));
  if (options.check === true) {
    process.stdout.write(`${options.config}: ${summaryOf(configuration)}\n`);
    process.exit(EXIT_CODE.ok);
  }
  const log = openLog(options.logLevel, { program: 'supervisor' });
  const watchdogMs = watchdogTimeoutMs(process.env);
  const notifier = openNotifier(process.env);
  // Before anything is opened, or one of them could be closed for a descriptor that was handed over.
  const listenFds = takeListenFds(process.env);
  const missing = process.env['MCROUTE_AGENT'] === undefined ? missingPieces(TREE) : [];
  if (missing.length > 0)
    failStart(PROGRAM, EXIT_CODE.unavailable, `${missing.join(', ')}: not there: run 'npm run build'`);
  const life = new Life(notifier, log, { watchdogMs, readConfiguration: () => readFile(options.config) });
  let running: RunningSupervisor;
  try {
    mkdirSync(options.stateDirectory, { recursive: true, mode: 0o755 });
    running = await startSupervisor(
      {
        tree: TREE,
        runtimeDirectory: options.runtimeDirectory,
        stateDirectory: options.stateDirectory,
        logLevel: options.logLevel,
        environment: process.env,
        configuration,
        listenFds,
        notifier,
      },
      log,
    );
  } catch (error) {
    startFailed(log, error);
  }
  process.exit(await life.live(running));
}

function startFailed(log: Logger, error: unknown): never {
  log.fatal({ err: error }, 'the supervisor could not start');
  log.flush();
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const isBusy = code === 'SUPERVISOR_RUNS' || code === 'EADDRINUSE' || code === 'SOCKET_IN_USE';
  const message = error instanceof Error ? error.message : String(error);
  if (NO_PERMISSION.has(code)) failStart(PROGRAM, EXIT_CODE.noPermission, message);
  failStart(PROGRAM, isBusy ? EXIT_CODE.unavailable : EXIT_CODE.software, message);
}

/** What the file asks for; without the default file that is nothing. */
function readFile(file: string): Configuration {
  return file === DEFAULT_CONFIGURATION && !existsSync(file) ? EMPTY_CONFIGURATION : readConfiguration(file);
}

function summaryOf({ tables, gateway }: Configuration): string {
  const count = `${tables.length} ${tables.length === 1 ? 'table' : 'tables'}`;
  return gateway === undefined ? count : `${count}, a gateway`;
}
