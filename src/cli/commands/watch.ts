// `watch`: changes as they come.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { WatchResponse__Output } from '../../api/generated/mcroute/v1/WatchResponse.js';
import { ApiError, type Reason } from '../../api/status.js';
import { EXIT_INTERRUPTED } from '../errors.js';
import { untilInterrupted } from '../interrupt.js';
import { WatchView } from '../output/watch.js';
import type { Run, Session } from '../session.js';
import { readRevision } from './apply.js';

/** Adds the command to the program. */
export function addWatchCommand(program: Command, run: Run): void {
  program
    .command('watch')
    .summary('show changes as they come')
    .description(
      'Shows what the table holds, then every change: + is new, ~ has changed, - has gone. With -o json, an object a ' +
        'line; a revision in it is one that --after-revision can go on from.',
    )
    .option('--after-revision <n>', 'go on after this revision instead of starting with what there is', readRevision)
    .option('--reconnect', 'go on when the agent comes back, instead of ending with status 69')
    .addHelpText(
      'after',
      "\nExamples:\n  mcctl -t 5 watch\n  mcctl -t 5 watch --reconnect -o json | jq -r '.key.group'",
    )
    .action((options: WatchOptions, command: Command) =>
      run(command, (session) => untilInterrupted((signal) => watchUntil(session, options, signal)), {
        isEndless: true,
      }),
    );
}

interface WatchOptions {
  readonly afterRevision?: string;
  readonly reconnect?: boolean;
}

// Time between attempts to reach an agent that has gone.
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;

/** Failures after which a watch can go on, and what is said of them then. */
const INTERRUPTIONS: Readonly<Partial<Record<Reason, string>>> = {
  AGENT_UNAVAILABLE: 'the agent has gone; waiting for it',
  WATCHER_TOO_SLOW: 'changes came faster than they were read; going on with the state as it is',
  REVISION_COMPACTED: 'what came meanwhile is no longer known; starting anew',
};

async function watchUntil(session: Session, options: WatchOptions, signal: AbortSignal): Promise<number> {
  const view = new WatchView();
  let revision = options.afterRevision;
  let delayMs = RETRY_MIN_MS;
  for (;;) {
    if (revision === undefined) view.beginAnew();
    else view.goOn();
    try {
      for await (const message of follow(session, revision, signal)) {
        delayMs = RETRY_MIN_MS;
        if (message.revision !== '0') revision = message.revision;
        await print(session, view, message);
      }
      if (signal.aborted) return EXIT_INTERRUPTED;
      throw new ApiError('AGENT_UNAVAILABLE', 'the agent has ended the watch', { metadata: { cure: '' } });
    } catch (error) {
      const reason = error instanceof ApiError ? error.reason : undefined;
      const note = reason === undefined ? undefined : INTERRUPTIONS[reason];
      if (note === undefined) throw error;
      if (options.reconnect !== true) {
        if (revision !== undefined && reason !== 'REVISION_COMPACTED') noteResume(session, revision);
        throw error;
      }
      if (reason === 'REVISION_COMPACTED') {
        session.terminal.note(`mcctl: ${note}`);
        revision = undefined;
        continue;
      }
      if (delayMs === RETRY_MIN_MS) session.terminal.note(`mcctl: ${note}`);
    }
    if (!(await pause(delayMs, signal))) return EXIT_INTERRUPTED;
    delayMs = Math.min(RETRY_MAX_MS, delayMs * 2);
  }
}

function follow(
  { agent }: Session,
  revision: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse__Output> {
  const request = { table: agent.table, ...(revision !== undefined && { afterRevision: revision }) };
  return agent.follow((client) => client.watch(request), signal);
}

async function print(session: Session, view: WatchView, message: WatchResponse__Output): Promise<void> {
  const { terminal, options, printer } = session;
  for (const text of view.render(message, options.output, terminal.hasColour, printer.host)) await terminal.write(text);
}

function noteResume({ terminal }: Session, revision: string): void {
  terminal.note(`mcctl: the last revision was ${revision}; go on with --after-revision ${revision}`);
}

/** Waits; false if the signal came. */
async function pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(delayMs, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
