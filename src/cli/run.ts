// Runs the body of a command for every host that is meant, and tells what failed.
import type { Doors } from './doors.js';
import { CliError, EXIT_FAILURE, EXIT_OK, errorLines, exitCodeOf } from './errors.js';
import { Here } from './here.js';
import { HostResults } from './host-results.js';
import type { Format } from './output/list.js';
import { type Printer, openPrinter } from './printer.js';
import { ProgramSession, type Surroundings } from './program-session.js';
import { readContexts } from './remote/context-file.js';
import { type Destination, findDestination } from './remote/destination.js';
import type { TlsSettings } from './remote/contexts.js';
import { readTlsFiles } from './remote/tls-files.js';
import { tableOfEnvironment } from './connect.js';
import type { GlobalOptions, LocalBody, RunOptions } from './session.js';
import { type Terminal, openTerminal, terminalOfHost } from './terminal.js';
import { There } from './there.js';

/** Options that stand before or after any command, as they were typed. */
export interface TypedOptions extends TlsSettings {
  /** Its id, or its name. */
  readonly table?: number | string;
  readonly socket?: string;
  readonly context?: string;
  readonly host?: readonly string[];
  readonly output: Format;
  readonly owner?: string;
  readonly timeout: number;
  /** False with --no-color. */
  readonly color: boolean;
}

/** Whose resources are changed where nobody says. */
export const DEFAULT_OWNER = 'cli';

/** Hosts that are asked at a time. */
const HOSTS_AT_A_TIME = 32;

/** The body of a command, with all that the session of a run has. */
export type RunBody = (session: ProgramSession) => Promise<number>;

/** Runs a command for its hosts; resolves to its status. Failures have been told by then. */
export async function runForHosts(
  typed: TypedOptions,
  surroundings: Surroundings,
  body: RunBody,
  runOptions: RunOptions = {},
): Promise<number> {
  const { stderr, environment } = surroundings;
  const terminal = terminalOf(typed, surroundings);
  const tell = (error: unknown, host?: string) => {
    for (const line of errorLines(error, host)) stderr.write(`${line}\n`);
    const code = exitCodeOf(error);
    return code === EXIT_FAILURE ? (runOptions.failureCode ?? EXIT_FAILURE) : code;
  };
  try {
    const destination = findDestination(typed, environment, () => readContexts(environment));
    const options = optionsOf(typed, destination);
    const doors = doorsOf(typed, surroundings, destination);
    const [only] = doors;
    if (only !== undefined && doors.length === 1) {
      const printer = openPrinter(terminal, options.output);
      const session = new ProgramSession(options, surroundings, { doors: only.doors, terminal, printer });
      return await runOne(session, body, tell);
    }
    if (runOptions.isForOneHost === true) throw tooManyHosts(doors.length);
    return await runMany(doors, {
      options,
      surroundings,
      terminal,
      body,
      tell,
      isEndless: runOptions.isEndless === true,
    });
  } catch (error) {
    return tell(error);
  }
}

/** Runs a command that is for no host. */
export async function runHere(typed: TypedOptions, surroundings: Surroundings, body: LocalBody): Promise<number> {
  const { stdin, environment, stderr } = surroundings;
  const terminal = terminalOf(typed, surroundings);
  const options = { output: typed.output, owner: typed.owner ?? DEFAULT_OWNER, timeout: typed.timeout };
  try {
    return await body({ options, terminal, printer: openPrinter(terminal, typed.output), stdin, environment });
  } catch (error) {
    for (const line of errorLines(error)) stderr.write(`${line}\n`);
    return exitCodeOf(error);
  }
}

type Tell = (error: unknown, host?: string) => number;

interface HostDoors {
  readonly host: string;
  readonly doors: Doors;
}

interface ManyHosts {
  readonly options: GlobalOptions;
  readonly surroundings: Surroundings;
  readonly terminal: Terminal;
  readonly body: RunBody;
  readonly tell: Tell;
  readonly isEndless: boolean;
}

async function runOne(session: ProgramSession, body: RunBody, tell: (error: unknown) => number): Promise<number> {
  try {
    return await body(session);
  } catch (error) {
    return tell(await session.explain(error));
  } finally {
    session[Symbol.dispose]();
  }
}

/** All at once, some at a time; the status is the worst of theirs. */
async function runMany(all: readonly HostDoors[], run: ManyHosts): Promise<number> {
  const { options, surroundings, terminal, body, tell, isEndless } = run;
  const results = new HostResults(all.map(({ host }) => host));
  const failures = new Map<string, unknown>();
  const notes = new Map<string, string[]>();
  const statuses: number[] = [];
  const waiting = [...all];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { host, doors } = next;
      const printer: Printer = results.printerOf(host, options.output);
      const ofHost: string[] = [];
      notes.set(host, ofHost);
      const session = new ProgramSession(options, surroundings, {
        doors,
        terminal: terminalOfHost(terminal, host, (line) => {
          if (isEndless) terminal.note(line);
          else ofHost.push(line);
        }),
        printer,
      });
      const keep = (error: unknown) => {
        // What goes on for the others is not waited for.
        if (isEndless) return tell(error, host);
        failures.set(host, error);
        return EXIT_OK;
      };
      statuses.push(await runOne(session, body, keep));
    }
  };
  const workers = isEndless ? all.length : Math.min(HOSTS_AT_A_TIME, all.length);
  await Promise.all(Array.from({ length: workers }, work));
  await results.print(terminal, options.output);
  for (const { host } of all) {
    for (const line of notes.get(host) ?? []) terminal.note(line);
    const failure = failures.get(host);
    if (failure !== undefined) statuses.push(tell(failure, host));
  }
  return Math.max(...statuses);
}

function doorsOf(typed: TypedOptions, { environment }: Surroundings, destination: Destination): readonly HostDoors[] {
  const timeoutMs = typed.timeout * 1_000;
  if (destination.kind === 'here') return [{ host: '', doors: new Here(typed, environment, timeoutMs) }];
  const { hosts, why } = destination;
  const tls = readTlsFiles(hosts.some(({ kind }) => kind === 'tcp') ? destination.tls : {});
  const table = typed.table ?? tableOfEnvironment(environment) ?? destination.table;
  return hosts.map((address) => ({
    host: address.text,
    doors: new There({ address, tls, table, timeoutMs, why }),
  }));
}

function optionsOf({ output, owner, timeout }: TypedOptions, destination: Destination): GlobalOptions {
  const ofContext = destination.kind === 'gateways' ? destination.owner : undefined;
  return { output, owner: owner ?? ofContext ?? DEFAULT_OWNER, timeout };
}

function terminalOf({ color }: TypedOptions, { environment, stdout, stderr }: Surroundings): Terminal {
  // NO_COLOR (no-color.org): set to anything but the empty text.
  return openTerminal(stdout, stderr, color && (environment['NO_COLOR'] ?? '') === '');
}

function tooManyHosts(count: number): CliError {
  return new CliError('USAGE', `this is for one host, and ${count} are meant`, ['name one with --host']);
}
