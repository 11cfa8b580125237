// The command that a person wants run when the configuration was loaded, or a flow was learned (`-e CMD`).
import type { Address } from '../../model/address.js';
import { HOOK_TIME_LIMIT_S, HOOK_WAITING_MAX } from '../../model/limits.js';
import { formatAddress } from '../../model/address.js';
import type { OutputLine } from './output.js';
import type { HookEnd, HookProcess, SpawnHook } from './process.js';
import { HookQueue, type HookRun } from './queue.js';

/** Something worth a line in the log; the texts are constant. */
export type HookNote = { readonly level: 'debug' | 'info' | 'warn' } & (
  | (RunFields & { readonly note: 'the hook has run' })
  | (RunFields & { readonly note: 'the hook failed'; readonly exitCode?: number; readonly signal?: string })
  | { readonly note: 'the hook cannot be run'; readonly error: string; readonly cure: string }
  | (RunFields & { readonly note: 'the hook takes too long and is ended'; readonly limitS: number })
  | (RunFields & { readonly note: 'hook output'; readonly from: OutputLine['from']; readonly text: string })
  /** Since the last such line, which is at least DROPPED_INTERVAL_MS ago. */
  | { readonly note: 'runs of the hook were dropped'; readonly dropped: number; readonly waiting: number }
);

/** Which run it was. */
interface RunFields {
  readonly what: HookRun['what'];
  readonly source?: string;
  readonly group?: string;
}

export interface HookOptions {
  readonly command: string;
  readonly spawn: SpawnHook;
  readonly onNote: (note: HookNote) => void;
  /** Calls back once; what it returns takes that back. */
  readonly after?: (delayMs: number, callback: () => void) => () => void;
  /** Installs that wait at most. */
  readonly waitingMax?: number;
}

/** Time from SIGTERM to SIGKILL, in ms. */
export const KILL_DELAY_MS = 5_000;

/** Drops are told of this long after the first one, all in one line, in ms. */
export const DROPPED_INTERVAL_MS = 10_000;

/**
 * Runs the command, one run at a time: the command never meets itself, runs come in the order of what they tell, and a
 * storm of flows makes no storm of processes. What it does and how it ends is of no consequence to anything but the log.
 */
export class Hook {
  readonly #options: HookOptions;
  readonly #after: (delayMs: number, callback: () => void) => () => void;
  readonly #queue: HookQueue;
  #process: HookProcess | undefined;
  #isClosed = false;
  /** How runs went wrong last, which is told once until it changes. */
  #trouble: string | undefined;
  #cancelDroppedNote: (() => void) | undefined;

  constructor(options: HookOptions) {
    this.#options = options;
    this.#after = options.after ?? afterDelay;
    this.#queue = new HookQueue(options.waitingMax ?? HOOK_WAITING_MAX);
  }

  /** The configuration was loaded, at the start or later. */
  onReload(): void {
    this.#add({ what: 'reload' });
  }

  /** Flows were learned that are forwarded. */
  onInstalled(flows: readonly { readonly source: Address; readonly group: Address }[]): void {
    for (const { source, group } of flows) this.#add({ what: 'install', source, group });
  }

  /** Forgets what waits and asks a run that goes on to end; nothing is waited for. */
  close(): void {
    this.#isClosed = true;
    this.#queue.clear();
    this.#process?.signal('SIGTERM');
    this.#cancelDroppedNote?.();
    this.#noteDropped();
  }

  #add(run: HookRun): void {
    if (this.#isClosed) return;
    if (this.#queue.add(run) === 'dropped') {
      this.#cancelDroppedNote ??= this.#after(DROPPED_INTERVAL_MS, () => {
        this.#noteDropped();
      });
    }
    if (this.#process === undefined) this.#runNext();
  }

  #runNext(): void {
    const run = this.#queue.take();
    if (run === undefined || this.#isClosed) return;
    const fields = fieldsOf(run);
    let cancelTimer: () => void = () => undefined;
    let isTooLong = false;
    const running = this.#options.spawn(run, {
      onLine: ({ from, text }) => {
        this.#options.onNote({
          level: from === 'stderr' ? 'warn' : 'info',
          note: 'hook output',
          ...fields,
          from,
          text,
        });
      },
      onEnd: (end) => {
        cancelTimer();
        // What it has started does not outlive the limit either.
        if (isTooLong) running.signal('SIGKILL');
        this.#process = undefined;
        if (!isTooLong && !this.#isClosed) this.#noteEnd(end, fields);
        this.#runNext();
      },
    });
    this.#process = running;
    cancelTimer = this.#after(HOOK_TIME_LIMIT_S * 1_000, () => {
      isTooLong = true;
      const limitS = HOOK_TIME_LIMIT_S;
      this.#options.onNote({ level: 'warn', note: 'the hook takes too long and is ended', ...fields, limitS });
      running.signal('SIGTERM');
      cancelTimer = this.#after(KILL_DELAY_MS, () => {
        running.signal('SIGKILL');
      });
    });
  }

  #noteEnd(end: HookEnd, fields: RunFields): void {
    const { onNote, command } = this.#options;
    const trouble = troubleOf(end);
    const level = trouble === undefined || trouble === this.#trouble ? 'debug' : 'warn';
    this.#trouble = trouble;
    if (trouble === undefined) onNote({ level, note: 'the hook has run', ...fields });
    else if (end.end === 'exit') onNote({ level, note: 'the hook failed', ...fields, exitCode: end.code });
    else if (end.end === 'signal') onNote({ level, note: 'the hook failed', ...fields, signal: end.signal });
    else onNote({ level, note: 'the hook cannot be run', error: end.code, cure: cureOf(end.code, command) });
  }

  #noteDropped(): void {
    this.#cancelDroppedNote = undefined;
    const dropped = this.#queue.takeDropped();
    if (dropped === 0) return;
    const waiting = this.#queue.size;
    this.#options.onNote({ level: 'warn', note: 'runs of the hook were dropped', dropped, waiting });
  }
}

function fieldsOf(run: HookRun): RunFields {
  if (run.what === 'reload') return { what: 'reload' };
  return { what: 'install', source: formatAddress(run.source), group: formatAddress(run.group) };
}

/** What is told once; undefined if all went well. */
function troubleOf(end: HookEnd): string | undefined {
  switch (end.end) {
    case 'exit':
      return end.code === 0 ? undefined : `exit ${end.code}`;
    case 'signal':
      return end.signal;
    case 'not started':
      return end.code;
  }
}

function cureOf(code: string, command: string): string {
  switch (code) {
    case 'ENOENT':
      return `there is no '${command}', or what its first line names is missing: correct -e, which takes one path and no arguments`;
    case 'EACCES':
      return `make '${command}' executable and its folders accessible for the agent's user (\`chmod +x\`)`;
    case 'ENOEXEC':
      return `begin '${command}' with a line that names its interpreter, such as #!/bin/sh`;
    default:
      return `see what keeps '${command}' from being started; it is tried again with the next event`;
  }
}

function afterDelay(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => {
    clearTimeout(timer);
  };
}
