// smcrouted: the agent under the name, and with the ways, of the daemon of smcroute. Started by mcroute-launch, which has
// made it a daemon, opened its control socket, and left a keeper of its files behind.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CONFIG_OWNER } from '../../model/owner.js';
import { MRULE_PRIORITY_DEFAULT } from '../../model/mrule.js';
import { EXIT_CODE } from '../../runtime/exit-code.js';
import { takeListenFds } from '../../runtime/listen-fds.js';
import type { Logger } from '../../runtime/log.js';
import { loadAddon } from '../../runtime/native.js';
import { openNotifier } from '../../runtime/notify.js';
import { tellLastErrorInSource } from '../../runtime/stack.js';
import { syslogSink } from '../../runtime/syslog.js';
import { openTextLog, stderrSink } from '../../runtime/text-log.js';
import { readVersion } from '../../runtime/tree.js';
import { DISK } from '../config/disk.js';
import { loadConfiguration } from '../config/load.js';
import { configurationFileReader } from '../configuration-file.js';
import { FileWishes } from '../file-wishes.js';
import { mrtSockets, otherSockets } from '../kernel/sockets.js';
import { runAgent } from '../run-agent.js';
import { checkConfiguration, interfaceNames } from './check.js';
import { openKeeper } from './keeper.js';
import { OptionError, type Options, parseOptions, usageText } from './options.js';

/** By which `pidof smcrouted` and `killall smcrouted` find it. */
const TITLE = 'smcrouted';

/** Names under which mcroute-launch hands over what it has opened. */
const CONTROL_SOCKET_NAME = 'control';
const KEEPER_NAME = 'keeper';

tellLastErrorInSource();
const options = readOptions();
if (options.request !== undefined) {
  process.stdout.write(options.request === 'help' ? usageText() : `smcrouted (mcroute) ${readVersion()}\n`);
} else if (options.check !== undefined) {
  check(options.check);
} else {
  void run(options);
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`smcrouted: ${error.message}\n${usageText()}`);
    process.exit(EXIT_CODE.usage);
  }
}

/** Ends with EX_CONFIG if the file cannot be used. */
function check(file: string): void {
  const present = interfaceNames(readFileSync('/proc/net/dev', 'latin1'));
  const { lines, isValid } = checkConfiguration(file, loadConfiguration(file, DISK), present);
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = isValid ? EXIT_CODE.ok : EXIT_CODE.config;
}

async function run(options: Options): Promise<void> {
  process.title = TITLE;
  const handedOver = takeListenFds(process.env);
  const fdOf = (wanted: string) => handedOver.find(({ name }) => name === wanted)?.fd;
  const control = fdOf(CONTROL_SOCKET_NAME);
  const keeperFd = fdOf(KEEPER_NAME);
  const addon = loadAddon();
  // A command of -e that lives longer than the daemon has neither.
  for (const fd of [control, keeperFd]) if (fd !== undefined) addon.setCloseOnExec(fd);
  const keeper = openKeeper(keeperFd);
  const notifier = openNotifier(process.env);
  const file = new FileWishes(resolve(options.file), configurationFileReader(), { skipsWrongLines: true });
  const hook = options.hook === undefined ? undefined : resolve(options.hook);
  if (!options.isForeground) process.chdir('/');
  await runAgent(
    {
      name: options.identity,
      file: 'smcrouted',
      log: openLog(options),
      isLogOnStderr: !options.logsToSyslog,
      onReady: () => {
        if (!options.isForeground) addon.detachStandardStreams();
        // Last, as it ends the wait of whoever has started the daemon.
        keeper.tell();
        notifier.ready(`Serving table ${options.table}`);
      },
    },
    {
      table: options.table,
      mrulePriority: MRULE_PRIORITY_DEFAULT,
      // The person makes them, as the manual of smcrouted says.
      makesMrules: false,
      starG: 'learn',
      enablesInterfaces: options.enablesInterfaces,
      advertisementIntervalS: options.advertisementIntervalS,
      cacheTimeoutMs: options.cacheTimeoutS * 1_000,
      sockets: mrtSockets(handedOver),
      handedOver: otherSockets(handedOver).filter(({ fd }) => fd !== control && fd !== keeperFd),
      // What commands change ends with the daemon or with the next reload.
      stateDirectory: undefined,
      commandOwner: CONFIG_OWNER,
      notifier,
      file,
      onReloaded: () => {
        keeper.tell();
      },
      socket: control === undefined ? '' : { fd: control },
      hook,
      wantsRealtime: true,
    },
  );
}

function openLog({ identity, logLevel, logsToSyslog }: Options): Logger {
  return openTextLog(logLevel, logsToSyslog ? syslogSink(identity) : stderrSink(identity));
}
