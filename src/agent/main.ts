// mcroute-agent: arguments in, an agent that runs until it is told to end. Started by mcroute-launch.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CACHE_TIMEOUT_DEFAULT_S, TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import { MRULE_PRIORITY_DEFAULT } from '../model/mrule.js';
import { EXIT_CODE } from '../runtime/exit-code.js';
import { takeListenFds } from '../runtime/listen-fds.js';
import { LOG_LEVELS, type LogLevel, type Logger, openLog } from '../runtime/log.js';
import { type Notifier, openNotifier } from '../runtime/notify.js';
import { agentSocketPath, stateDirectory } from '../runtime/paths.js';
import { type RunningAgent, startAgent } from './agent.js';
import { checkConfigurationFile, readConfigurationFile } from './configuration-file.js';
import { FileWishes } from './file-wishes.js';
import { mrtSockets, otherSockets } from './kernel/sockets.js';

interface Arguments {
  readonly table?: number;
  readonly file?: string;
  readonly check?: string;
  readonly hook?: string;
  readonly socket?: string;
  readonly stateDirectory?: string;
  readonly cacheTimeout: number;
  readonly starG: 'kernel' | 'learn';
  readonly mrules: boolean;
  readonly mrulePriority: number;
  readonly realtime: boolean;
  readonly logLevel: LogLevel;
}

const version = readVersion();

/** Codes of errors that end in EX_NOPERM. */
const NO_PERMISSION: ReadonlySet<unknown> = new Set(['EPERM', 'EACCES', 'SOCKET_PERMISSION', 'WRONG_PRIVILEGES']);

const program = new Command('mcroute-agent')
  .description('Owns one multicast routing table of the kernel, IPv4 and IPv6, and serves it over gRPC.')
  .version(version, '-v, --version')
  .addOption(
    new Option('-t, --table <id>', `table to own, ${TABLE_ID_MIN} to ${TABLE_ID_MAX}`).argParser(
      wholeNumber(TABLE_ID_MIN, TABLE_ID_MAX),
    ),
  )
  .option('-f, --file <file>', 'configuration in the grammar of smcroute.conf; it may come later, and SIGHUP reads it')
  .option('-F, --check <file>', 'say what is wrong with such a file, and end')
  .option('-e, --hook <command>', 'run this when the configuration was loaded (reload) or a flow was learned (install)')
  .option('-u, --socket <path>', 'unix socket to serve on (default: TABLE.sock in the runtime directory)')
  .option(
    '--state-directory <path>',
    'where wishes are saved, in a folder for each table (default: /var/lib/mcroute when started as root)',
  )
  .option('-p, --user <user[:group]>', 'run as this user; done by mcroute-launch before this program starts')
  .option('--families <list>', 'families to route, such as ipv4 or ipv4,ipv6; done by mcroute-launch')
  .addOption(
    new Option('-c, --cache-timeout <seconds>', 'idle time after which learned entries go; 0 is never')
      .argParser(wholeNumber(0, 86_400))
      .default(CACHE_TIMEOUT_DEFAULT_S),
  )
  .addOption(
    new Option('--star-g <how>', '(*,G) rules: entries of the kernel, or learned per source by upcalls')
      .choices(['kernel', 'learn'])
      .default('kernel'),
  )
  .option('--no-mrules', 'make no rules (ip mrule); something else leads the packets to the table')
  .addOption(
    new Option('--mrule-priority <n>', 'priority of these rules; lower ones are asked first')
      .argParser(wholeNumber(1, 32_766))
      .default(MRULE_PRIORITY_DEFAULT),
  )
  .option('--no-realtime', 'answer upcalls at normal priority')
  .addOption(new Option('-l, --log-level <level>', 'what is logged').choices(LOG_LEVELS).default('notice'))
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage);
  });

const options = program.parse().opts<Arguments>();
if (options.check !== undefined) check(options.check);
else if (options.table === undefined) program.error("error: required option '-t, --table <id>' not specified");
else await main(options, options.table);

/** Ends with EX_CONFIG if the file cannot be used. */
function check(path: string): void {
  const { lines, isValid } = checkConfigurationFile(path);
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = isValid ? EXIT_CODE.ok : EXIT_CODE.config;
}

async function main(options: Arguments, table: number): Promise<void> {
  const log = openLog(options.logLevel, { table });
  const handedOver = takeListenFds(process.env);
  const notifier = openNotifier(process.env);
  const sockets = mrtSockets(handedOver);
  if (sockets.length === 0) {
    fail(
      log,
      EXIT_CODE.noPermission,
      "no MRT socket was handed over: start 'mcroute-agent' from bin/, which opens it before it drops privileges",
    );
  }
  const states = options.stateDirectory ?? stateDirectory(process.env);
  process.umask(0o007);
  let agent: RunningAgent;
  try {
    agent = await startAgent(
      {
        table,
        mrulePriority: options.mrulePriority,
        makesMrules: options.mrules,
        starG: options.starG,
        cacheTimeoutMs: options.cacheTimeout * 1_000,
        sockets,
        handedOver: otherSockets(handedOver),
        stateDirectory: states === undefined ? undefined : join(states, String(table)),
        notifier,
        file: options.file === undefined ? undefined : new FileWishes(options.file, readConfigurationFile),
        onStop: () => process.kill(process.pid, 'SIGTERM'),
        socketPath: options.socket ?? agentSocketPath(process.env, table),
        hook: options.hook,
        version,
        wantsRealtime: options.realtime,
      },
      log,
    );
  } catch (error) {
    log.fatal({ err: error }, 'the agent could not start');
    fail(log, exitCodeOf(error), error instanceof Error ? error.message : String(error));
  }
  endOnSignals(log, agent, notifier);
  notifier.ready(`Serving table ${table}`);
  log.info({ families: agent.engine.families, realtime: agent.kernel.isRealtime }, 'ready');
}

/** SIGTERM and SIGINT end forwarding too; SIGUSR2 leaves it to the agent that comes next. SIGHUP reads the file again. */
function endOnSignals(log: Logger, agent: RunningAgent, notifier: Notifier): void {
  let isEnding = false;
  const end = (signal: NodeJS.Signals) => {
    if (isEnding) return;
    isEnding = true;
    const keepsForwarding = signal === 'SIGUSR2';
    log.info({ signal, keepsForwarding }, 'stopping');
    notifier.stopping();
    (keepsForwarding ? agent.leave() : agent.stop()).then(
      () => process.exit(EXIT_CODE.ok),
      (error: unknown) => {
        log.fatal({ err: error }, 'the agent could not stop in order');
        process.exit(EXIT_CODE.software);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const) process.on(signal, end);
  process.on('SIGHUP', () => {
    if (!isEnding) agent.reload();
  });
}

function fail(log: Logger, code: number, message: string): never {
  log.flush();
  process.stderr.write(`mcroute-agent: ${message}\n`);
  process.exit(code);
}

function exitCodeOf(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== undefined && NO_PERMISSION.has(code)) return EXIT_CODE.noPermission;
  if (code === 'SOCKET_IN_USE' || code === 'EADDRINUSE' || code === 'TABLE_LOCKED') return EXIT_CODE.unavailable;
  // Of a newer version: this one would find it so at every start.
  if (code === 'STORAGE' && error instanceof Error && 'errno' in error && error.errno === 'ENOTSUP') {
    return EXIT_CODE.config;
  }
  if (code === 'CONFIGURATION') return EXIT_CODE.config;
  if (code === 'STORAGE' || code === 'STATE_DIRECTORY') return EXIT_CODE.cannotCreate;
  if (code === 'SOCKET_PATH') return EXIT_CODE.usage;
  return EXIT_CODE.software;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`It must be a whole number, ${min} to ${max}.`);
    return value;
  };
}

function readVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
