// The life of one agent as a pure state machine: a state, an event and a moment give the next state and what is to be
// done. The process, the clock and the timer belong to agent.ts.
import { EXIT_CODE } from '../runtime/exit-code.js';
import { backoffMs } from './backoff.js';

/** Where an agent is. `wakeAtMs` is when the event `time` is due. `failures` are those in a row, for the back-off. */
export type Child = Idle | BackingOff | Starting | Ready | Stopping;

/** There is no process, and there will be none until someone asks. */
interface Idle {
  readonly state: 'stopped' | 'failed';
}

/** There is no process; the next is started at `wakeAtMs`. */
interface BackingOff {
  readonly state: 'backing-off';
  readonly failures: number;
  readonly wakeAtMs: number;
}

interface Starting {
  readonly state: 'starting';
  readonly failures: number;
  /** End of its time to become ready. */
  readonly wakeAtMs: number;
}

interface Ready {
  readonly state: 'ready';
  readonly failures: number;
  readonly readyAtMs: number;
  /** When it has been silent for too long; undefined if nobody minds. */
  readonly wakeAtMs: number | undefined;
}

/** The process is to end, or (`flushing`) has ended and what it left is being removed. */
interface Stopping {
  readonly state: 'stopping';
  readonly stage: 'asked' | 'aborted' | 'killed' | 'flushing';
  /** What comes after. */
  readonly then: 'stop' | 'start' | 'retry';
  /** What it owns in the kernel outlives it. */
  readonly keeps: boolean;
  /** It served until it was told to end, so that it can have left in order. */
  readonly wasReady: boolean;
  /** Why it has to end, if nobody asked for it. */
  readonly fault: Fault | undefined;
  readonly failures: number;
  /** Undefined once SIGKILL is sent: then the kernel ends it, however long that takes. */
  readonly wakeAtMs: number | undefined;
}

/** `late`: not ready in time; `silent`: no sign of life. */
export type Fault = 'late' | 'silent';

export type ChildEvent =
  | { readonly event: 'start' | 'restart' | 'ready' | 'alive' | 'flushed' | 'time' }
  /** It takes longer, but no longer than so. */
  | { readonly event: 'extend'; readonly byMs: number }
  | { readonly event: 'stop'; readonly keeps: boolean }
  /** The process is gone, or there never was one; without a code a signal ended it. */
  | { readonly event: 'exited'; readonly code: number | undefined };

export type ChildAction =
  | { readonly action: 'start' }
  | { readonly action: 'signal'; readonly signal: 'SIGTERM' | 'SIGUSR2' | 'SIGABRT' | 'SIGKILL' }
  /** Let go of everything that is kept, and remove mrules too if it may have left some; `flushed` follows. */
  | { readonly action: 'flush'; readonly removesMrules: boolean }
  /** Nobody asked it to end. */
  | { readonly action: 'blame'; readonly fault: Fault | 'ended' };

/** Limits of an agent's life, in ms. */
export interface ChildLimits {
  /** From the start to READY=1. */
  readonly startMs: number;
  /** From SIGTERM or SIGUSR2 to SIGKILL. */
  readonly stopMs: number;
  /** From SIGABRT to SIGKILL. */
  readonly abortMs: number;
  /** For removing what an agent left. */
  readonly flushMs: number;
  /** Time of service after which earlier failures are forgotten. */
  readonly steadyMs: number;
  /** Longest silence of an agent that serves; undefined: any. */
  readonly watchdogMs: number | undefined;
}

/** When something happens, and the chance for the jitter, from 0 up to 1. */
export interface Moment {
  readonly nowMs: number;
  readonly random: number;
  readonly limits: ChildLimits;
}

export interface Step {
  readonly child: Child;
  readonly actions: readonly ChildAction[];
}

/** An agent that was never started. */
export const STOPPED: Child = { state: 'stopped' };

/** Codes after which another start would end the same way. */
const FINAL_CODES: ReadonlySet<number | undefined> = new Set([
  EXIT_CODE.usage,
  EXIT_CODE.noPermission,
  EXIT_CODE.config,
]);

/** Whether there is a process, which has not been seen to end. */
export function hasProcess(child: Child): boolean {
  if (child.state === 'stopping') return child.stage !== 'flushing';
  return child.state === 'starting' || child.state === 'ready';
}

/** When the event `time` is due. */
export function wakeAt(child: Child): number | undefined {
  return 'wakeAtMs' in child ? child.wakeAtMs : undefined;
}

/** What follows. An event that means nothing in the state, such as one that comes late, changes nothing. */
export function step(child: Child, event: ChildEvent, moment: Moment): Step {
  // The limit may have been moved since the timer was set.
  if (event.event === 'time' && moment.nowMs < (wakeAt(child) ?? Infinity)) return stay(child);
  switch (child.state) {
    case 'stopped':
    case 'failed':
    case 'backing-off':
      return stepWithoutProcess(child, event, moment);
    case 'starting':
      return stepStarting(child, event, moment);
    case 'ready':
      return stepReady(child, event, moment);
    case 'stopping':
      return stepStopping(child, event, moment);
  }
}

function stepWithoutProcess(child: Idle | BackingOff, event: ChildEvent, moment: Moment): Step {
  switch (event.event) {
    case 'start':
    case 'restart':
      return begin(0, moment);
    case 'stop':
      return event.keeps ? { child: STOPPED, actions: [] } : flush(LEFT_BEHIND, true, moment);
    case 'time':
      return begin(child.state === 'backing-off' ? child.failures : 0, moment);
    case 'ready':
    case 'alive':
    case 'extend':
    case 'exited':
    case 'flushed':
      return stay(child);
  }
}

function stepStarting(child: Starting, event: ChildEvent, moment: Moment): Step {
  switch (event.event) {
    case 'ready': {
      const { failures } = child;
      const wakeAtMs = silentAt(moment);
      return { child: { state: 'ready', failures, readyAtMs: moment.nowMs, wakeAtMs }, actions: [] };
    }
    case 'stop':
      return ask({ then: 'stop', keeps: event.keeps, wasReady: false }, moment);
    case 'restart':
      return ask({ then: 'start', keeps: true, wasReady: false }, moment);
    case 'time': {
      // Not SIGTERM, which would tell it to flush a table that forwards.
      const failures = Math.max(1, child.failures);
      const next: Child = {
        ...UNASKED,
        stage: 'killed',
        wasReady: false,
        fault: 'late',
        failures,
        wakeAtMs: undefined,
      };
      return { child: next, actions: [{ action: 'signal', signal: 'SIGKILL' }] };
    }
    case 'exited':
      return gone('ended', event.code, Math.max(1, child.failures), moment);
    case 'extend':
      return stay({ ...child, wakeAtMs: Math.max(child.wakeAtMs, moment.nowMs + event.byMs) });
    case 'start':
    case 'alive':
    case 'flushed':
      return stay(child);
  }
}

function stepReady(child: Ready, event: ChildEvent, moment: Moment): Step {
  const isSteady = moment.nowMs - child.readyAtMs >= moment.limits.steadyMs;
  const failures = isSteady ? 0 : child.failures;
  switch (event.event) {
    // READY=1 again is the end of a reload.
    case 'ready':
    case 'alive':
      return stay({ ...child, wakeAtMs: silentAt(moment) });
    case 'stop':
      return ask({ then: 'stop', keeps: event.keeps, wasReady: true }, moment);
    case 'restart':
      return ask({ then: 'start', keeps: true, wasReady: true }, moment);
    case 'time': {
      const wakeAtMs = moment.nowMs + moment.limits.abortMs;
      const next: Child = { ...UNASKED, stage: 'aborted', wasReady: true, fault: 'silent', failures, wakeAtMs };
      return { child: next, actions: [{ action: 'signal', signal: 'SIGABRT' }] };
    }
    case 'exited':
      return gone('ended', event.code, failures, moment);
    case 'start':
    case 'extend':
    case 'flushed':
      return stay(child);
  }
}

function stepStopping(child: Stopping, event: ChildEvent, moment: Moment): Step {
  switch (event.event) {
    case 'start':
    case 'restart':
      return stay({ ...child, then: 'start' });
    case 'stop':
      // What was told to flush cannot be told to keep any more.
      return stay({ ...child, then: 'stop', keeps: child.keeps && event.keeps });
    case 'exited':
      return child.stage === 'flushing' ? stay(child) : ended(child, event.code, moment);
    case 'flushed':
      return child.stage === 'flushing' ? flushed(child, moment) : stay(child);
    case 'time':
      if (child.stage === 'flushing') return flushed(child, moment);
      return {
        child: { ...child, stage: 'killed', wakeAtMs: undefined },
        actions: [{ action: 'signal', signal: 'SIGKILL' }],
      };
    case 'ready':
    case 'alive':
    case 'extend':
      return stay(child);
  }
}

/** The process that was to end has ended. */
function ended(child: Stopping, code: number | undefined, moment: Moment): Step {
  if (child.then === 'retry') return gone(child.fault ?? 'ended', code, child.failures, moment);
  if (!child.keeps) {
    const hasLeftInOrder = child.wasReady && code === EXIT_CODE.ok;
    return flush(child, !hasLeftInOrder, moment);
  }
  return child.then === 'start' ? begin(0, moment) : { child: STOPPED, actions: [] };
}

/** The process has ended, and nobody had asked for it. */
function gone(fault: Fault | 'ended', code: number | undefined, failures: number, moment: Moment): Step {
  const blame: ChildAction = { action: 'blame', fault };
  if (FINAL_CODES.has(code)) return { child: { state: 'failed' }, actions: [blame] };
  // The first end of one that served is made good at once: its sockets are kept, and flows that are new wait for it.
  if (failures === 0) {
    const { child, actions } = begin(1, moment);
    return { child, actions: [blame, ...actions] };
  }
  const wakeAtMs = moment.nowMs + backoffMs(failures, moment.random);
  return { child: { state: 'backing-off', failures: failures + 1, wakeAtMs }, actions: [blame] };
}

function begin(failures: number, { nowMs, limits }: Moment): Step {
  return {
    child: { state: 'starting', failures, wakeAtMs: nowMs + limits.startMs },
    actions: [{ action: 'start' }],
  };
}

function ask(how: Pick<Stopping, 'then' | 'keeps' | 'wasReady'>, { nowMs, limits }: Moment): Step {
  return {
    child: {
      state: 'stopping',
      stage: 'asked',
      ...how,
      fault: undefined,
      failures: 0,
      wakeAtMs: nowMs + limits.stopMs,
    },
    actions: [{ action: 'signal', signal: how.keeps ? 'SIGUSR2' : 'SIGTERM' }],
  };
}

function flush(child: Stopping, removesMrules: boolean, { nowMs, limits }: Moment): Step {
  return {
    child: { ...child, stage: 'flushing', wakeAtMs: nowMs + limits.flushMs },
    actions: [{ action: 'flush', removesMrules }],
  };
}

function flushed(child: Stopping, moment: Moment): Step {
  return child.then === 'start' ? begin(0, moment) : { child: STOPPED, actions: [] };
}

function silentAt({ nowMs, limits }: Moment): number | undefined {
  return limits.watchdogMs === undefined ? undefined : nowMs + limits.watchdogMs;
}

function stay(child: Child): Step {
  return { child, actions: [] };
}

/** An agent that is ended for a fault of its own: a successor takes over what it has. */
const UNASKED = { state: 'stopping', then: 'retry', keeps: true } as const;

/** No process is there to be asked, but perhaps what an earlier one left. */
const LEFT_BEHIND: Stopping = {
  state: 'stopping',
  stage: 'flushing',
  then: 'stop',
  keeps: false,
  wasReady: false,
  fault: undefined,
  failures: 0,
  wakeAtMs: undefined,
};
