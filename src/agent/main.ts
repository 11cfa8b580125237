// mcroute-agent: arguments in, an agent that runs until it is told to end. Started by mcroute-launch.
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CACHE_TIMEOUT_DEFAULT_S, TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import { MRULE_PRIORITY_DEFAULT } from '../model/mrule.js';
import { EXIT_CODE } from '../runtime/exit-code.js';
import { takeListenFds } from '../runtime/listen-fds.js';
import { LOG_LEVELS, type LogLevel, openLog } from '../runtime/log.js';
import { openNotifier } from '../runtime/notify.js';
import { agentSocketPath, stateDirectory } from '../runtime/paths.js';
import { tellLastErrorInSource } from '../runtime/stack.js';
import { readVersion } from '../runtime/tree.js';
import { checkConfigurationFile, configurationFileReader } from './configuration-file.js';
import { FileWishes } from './file-wishes.js';
import { mrtSockets, otherSockets } from './kernel/sockets.js';
import { runAgent } from './run-agent.js';

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

tellLastErrorInSource();
const program = new Command('mcroute-agent')
  .description('Owns one multicast routing table of the kernel, IPv4 and IPv6, and serves it over gRPC.')
  .version(readVersion(), '-v, --version')
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
else void main(options, options.table);

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
  const states = options.stateDirectory ?? stateDirectory(process.env);
  if (states === undefined) log.warn('wishes end with this agent: no --state-directory is given');
  await runAgent(
    {
      name: 'mcroute-agent',
      file: 'mcroute-agent',
      log,
      isLogOnStderr: false,
      onReady: () => {
        notifier.ready(`Serving table ${table}`);
      },
    },
    {
      table,
      mrulePriority: options.mrulePriority,
      makesMrules: options.mrules,
      starG: options.starG,
      cacheTimeoutMs: options.cacheTimeout * 1_000,
      sockets: mrtSockets(handedOver),
      handedOver: otherSockets(handedOver),
      stateDirectory: states === undefined ? undefined : join(states, String(table)),
      notifier,
      file: options.file === undefined ? undefined : new FileWishes(options.file, configurationFileReader()),
      socket: options.socket ?? agentSocketPath(process.env, table),
      hook: options.hook,
      wantsRealtime: options.realtime,
    },
  );
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`It must be a whole number, ${min} to ${max}.`);
    return value;
  };
}
