// mcroute-gateway: arguments in, a gateway that serves until it is told to end.
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { EXIT_CODE } from '../runtime/exit-code.js';
import { failStart, readOrFail } from '../runtime/failed-start.js';
import { keepHeapSmall, keepYoungSpaceSmall } from '../runtime/idle-collector.js';
import { LOG_LEVELS, type LogLevel, type Logger, openLog } from '../runtime/log.js';
import { loadAddon } from '../runtime/native.js';
import { openNotifier, watchdogTimeoutMs } from '../runtime/notify.js';
import { logsDirectory, runtimeDirectory } from '../runtime/paths.js';
import { findCapabilities } from '../runtime/privileges.js';
import { tellLastErrorInSource } from '../runtime/stack.js';
import { readVersion } from '../runtime/tree.js';
import { type GatewayConfiguration, listenerName, parseConfiguration, readConfiguration } from './configuration.js';
import { type RunningGateway, startGateway } from './gateway.js';
import { Life } from './life.js';

interface Arguments {
  readonly config: string;
  readonly check?: true;
  readonly runtimeDirectory: string;
  readonly logLevel: LogLevel;
}

const PROGRAM = 'mcroute-gateway';
const DEFAULT_CONFIGURATION = '/etc/mcroute/gateway.yaml';

tellLastErrorInSource();
const program = new Command(PROGRAM)
  .description(
    'Lets callers of this host and of others use the multicast routing tables of the host, as a policy says.',
  )
  .version(readVersion(), '-v, --version')
  .option('-f, --config <file>', 'where to listen and with which certificates, in YAML', DEFAULT_CONFIGURATION)
  .option('--check', 'say what is wrong with the file, and end')
  .option('--runtime-directory <directory>', 'where the sockets are', runtimeDirectory(process.env))
  .addOption(new Option('-l, --log-level <level>', 'what is logged').choices(LOG_LEVELS).default('notice'))
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage);
  });

void main(program.parse().opts<Arguments>());

async function main(options: Arguments): Promise<void> {
  const configuration = readOrFail(PROGRAM, () => read(options));
  if (options.check === true) {
    process.stdout.write(`${options.config}: ${configuration.listeners.map(listenerName).join(', ')}\n`);
    process.exit(EXIT_CODE.ok);
  }
  const log = openLog(options.logLevel, { program: 'gateway' });
  const watchdogMs = watchdogTimeoutMs(process.env);
  const notifier = openNotifier(process.env);
  const life = new Life(notifier, log, { watchdogMs, readConfiguration: () => read(options) });
  refuseCapabilities(log);
  process.umask(0o007);
  let gateway: RunningGateway;
  try {
    const { runtimeDirectory } = options;
    gateway = await startGateway({ runtimeDirectory, version: readVersion(), configuration }, log);
  } catch (error) {
    startFailed(log, error);
  }
  keepHeapSmall(() => {
    loadAddon().trimHeap();
  });
  keepYoungSpaceSmall();
  process.exit(await life.live(gateway));
}

/** Whoever breaks into the gateway shall have nothing by it that it does not need. */
function refuseCapabilities(log: Logger): void {
  const findings = findCapabilities();
  if (findings.length === 0) return;
  log.fatal({ findings }, 'the gateway has capabilities');
  const cure = "start it as another user than root, as the supervisor does for 'gateway:' in mcroute.yaml";
  failStart(
    PROGRAM,
    EXIT_CODE.noPermission,
    `it has capabilities (${findings[0]?.value ?? ''}), and must have none: ${cure}`,
  );
}

/** Codes of errors by how the program ends. */
const EXIT_CODES: ReadonlyMap<unknown, number> = new Map([
  ['CONFIGURATION', EXIT_CODE.config],
  ['CERTIFICATE', EXIT_CODE.config],
  ['SOCKET_PATH', EXIT_CODE.config],
  ['EADDRNOTAVAIL', EXIT_CODE.unavailable],
  ['EADDRINUSE', EXIT_CODE.unavailable],
  ['SOCKET_IN_USE', EXIT_CODE.unavailable],
  ['SOCKET_PERMISSION', EXIT_CODE.noPermission],
  ['EACCES', EXIT_CODE.noPermission],
  ['EPERM', EXIT_CODE.noPermission],
]);

function startFailed(log: Logger, error: unknown): never {
  log.fatal({ err: error }, 'the gateway could not start');
  log.flush();
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  failStart(
    PROGRAM,
    EXIT_CODES.get(code) ?? EXIT_CODE.software,
    error instanceof Error ? error.message : String(error),
  );
}

/** Without the default file there is a unix socket, and nothing else. */
function read({ config, runtimeDirectory }: Arguments): GatewayConfiguration {
  const defaults = { runtimeDirectory, logsDirectory: logsDirectory(process.env) };
  const isMissing = config === DEFAULT_CONFIGURATION && !existsSync(config);
  return isMissing ? parseConfiguration('', config, defaults) : readConfiguration(config, defaults);
}
