// smcroutectl: one command, or a batch of them, and the status.
import type { FlushResponse__Output } from '../../api/generated/mcroute/v1/FlushResponse.js';
import type { ReloadResponse__Output } from '../../api/generated/mcroute/v1/ReloadResponse.js';
import type { StopResponse__Output } from '../../api/generated/mcroute/v1/StopResponse.js';
import { connectToSocket } from '../../api/client.js';
import { openChannel } from '../channel.js';
import { checkSocketPath } from '../connect.js';
import { EXIT_FAILURE, EXIT_OK } from '../errors.js';
import type { Surroundings } from '../program-session.js';
import { type Terminal, openTerminal } from '../terminal.js';
import { type Daemon, applyCommands, readOwner } from './apply.js';
import { Batch } from './batch.js';
import { type ChangeCommand, type Command, isChange, parseCommand } from './command.js';
import { CommandError, errorLines, isDaemonLost, unreachable } from './errors.js';
import { topicText, usageText, versionText } from './help.js';
import { type LineBlock, lineBlocks } from './lines.js';
import { type Options, parseOptions } from './options.js';
import { type ShowOptions, showText } from './show.js';
import { PLAIN_WIDTH } from './tables.js';

/** What smcroutectl is given by whoever starts it. */
export interface ControlSurroundings extends Pick<Surroundings, 'stdin' | 'stderr' | 'version'> {
  readonly stdout: Surroundings['stdout'] & { readonly columns?: number };
}

/** Runs the words after the program's name; resolves to its status. Failures have been told on stderr by then. */
export async function runSmcroutectl(words: readonly string[], surroundings: ControlSurroundings): Promise<number> {
  const { stdout, stderr } = surroundings;
  const terminal = openTerminal(stdout, stderr, false);
  try {
    const options = parseOptions(words);
    if (options.request !== undefined) {
      await terminal.write(options.request === 'help' ? usageText() : versionText(surroundings.version));
      return EXIT_OK;
    }
    using daemon = openDaemon(checkSocketPath(options.socket, '-u', 'USAGE'));
    const control = new Control(daemon, terminal, showOptions(options, stdout), surroundings.version);
    const hasSucceeded = options.isBatch
      ? await control.runBatch(lineBlocks(surroundings.stdin))
      : await control.run(parseCommand(options.words));
    return hasSucceeded ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    await tell(terminal, error);
    return EXIT_FAILURE;
  }
}

/** Time that a call may take, in ms. */
const CALL_LIMIT_MS = 30_000;

/** Columns of a terminal that does not know them, as one without a window. */
const COLUMNS_DEFAULT = 80;

function openDaemon(path: string): Daemon {
  return openChannel(
    connectToSocket(path),
    {
      path,
      noun: 'a daemon',
      lateCure: '',
      unavailable: (why, { cause }) => unreachable(path, cause instanceof Error ? cause.message : '', why),
    },
    CALL_LIMIT_MS,
  );
}

function showOptions(options: Options, stdout: ControlSurroundings['stdout']): ShowOptions {
  const { isJson, isDetailed, isPlain, hasHeadings } = options;
  const isReverse = !isPlain && stdout.isTTY === true;
  return {
    isJson,
    isDetailed,
    style: {
      headings: !hasHeadings ? 'none' : isReverse ? 'reverse' : 'plain',
      width: isReverse ? columnsOf(stdout) - 1 : PLAIN_WIDTH,
      hasCounters: isDetailed,
    },
  };
}

function columnsOf({ columns }: ControlSurroundings['stdout']): number {
  return columns === undefined || columns === 0 ? COLUMNS_DEFAULT : columns;
}

/** Runs commands; what fails is told on stderr. */
class Control {
  readonly #daemon: Daemon;
  readonly #terminal: Terminal;
  readonly #showOptions: ShowOptions;
  readonly #version: string;

  constructor(daemon: Daemon, terminal: Terminal, showOptions: ShowOptions, version: string) {
    this.#daemon = daemon;
    this.#terminal = terminal;
    this.#showOptions = showOptions;
    this.#version = version;
  }

  /** Runs a command; false if it has failed. */
  async run(command: Command): Promise<boolean> {
    if (isChange(command)) {
      return this.#tellFailures(await applyCommands(this.#daemon, await readOwner(this.#daemon), [command]));
    }
    await this.#terminal.write(await this.#answer(command));
    return true;
  }

  /**
   * Runs the command of each line, whether those before it have failed or not; false if one has. Ends early, with an
   * error, when the daemon does.
   */
  async runBatch(blocks: AsyncIterable<LineBlock>): Promise<boolean> {
    let hasSucceeded = true;
    const attempt = async (work: () => boolean | Promise<boolean>) => {
      const isDone = await this.#attempt(work);
      hasSucceeded &&= isDone;
    };
    const batch = new Batch(this.#daemon, (outcome) => attempt(() => this.#tellFailures(outcome())));
    for await (const { lines, isBeforePause } of blocks) {
      for (const line of lines) {
        const command = readLine(line);
        if (command === undefined) continue;
        if (!(command instanceof CommandError) && isChange(command)) {
          await batch.add(command);
          continue;
        }
        // What is told and shown stands in the order of the lines.
        await batch.finish();
        await attempt(() => {
          if (command instanceof CommandError) throw command;
          return this.run(command);
        });
      }
      if (isBeforePause) await batch.finish();
    }
    return hasSucceeded;
  }

  /** Tells what keeps one command from being done; the daemon's absence keeps all from it, and is thrown. */
  async #attempt(work: () => boolean | Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      if (isDaemonLost(error)) throw error;
      await tell(this.#terminal, error);
      return false;
    }
  }

  /** False if there are some. */
  #tellFailures(failures: readonly (readonly string[])[]): boolean {
    const lines = failures.flat();
    for (const line of lines) this.#terminal.note(`smcroutectl: ${line}`);
    return lines.length === 0;
  }

  /** Does what changes no route or group by itself; gives what is to be printed. */
  async #answer(command: Exclude<Command, ChangeCommand>): Promise<string> {
    switch (command.kind) {
      case 'help':
        return command.topic === undefined ? usageText() : topicText(command.topic);
      case 'version':
        return versionText(this.#version);
      case 'show':
        return showText(this.#daemon, command.noun, this.#showOptions);
      case 'flush':
        await this.#daemon.ask<FlushResponse__Output>((client, options, callback) =>
          client.flush({}, options, callback),
        );
        return '';
      case 'reload':
        await this.#daemon.ask<ReloadResponse__Output>((client, options, callback) =>
          client.reload({}, options, callback),
        );
        return '';
      case 'kill':
        await this.#daemon.ask<StopResponse__Output>((client, options, callback) => client.stop({}, options, callback));
        return '';
    }
  }
}

/** The words of a line, up to one that begins a comment. */
function wordsOf(line: string): string[] {
  const text = line.trim();
  if (text === '') return [];
  const words = text.split(/\s+/);
  const comment = text.includes('#') ? words.findIndex((word) => word.startsWith('#')) : -1;
  return comment === -1 ? words : words.slice(0, comment);
}

/** The command of a line, or why there is none; undefined for an empty line and for a comment. */
function readLine(line: string): Command | CommandError | undefined {
  const command = wordsOf(line);
  if (command.length === 0) return undefined;
  try {
    return parseCommand(command);
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
}

async function tell(terminal: Terminal, error: unknown): Promise<void> {
  for (const line of errorLines(error)) terminal.note(line);
  if (!(error instanceof CommandError) || error.help === undefined) return;
  await terminal.write(error.help === 'usage' ? usageText() : topicText(error.help));
}
