// What becomes of an owner's resources while no session of it is there. Pure: the caller has the clocks and the timer.

/** Time that an owner whose session was there when the agent ended has at least to come back, in ms. */
export const RETURN_MIN_MS = 30_000;

/** The time now, in ms: on a clock that only goes forward while the agent lives, and after 1970, for what is saved. */
export interface Now {
  readonly steadyMs: number;
  readonly wallMs: number;
}

/** An owner that has sessions, or had some and asked that its resources go. */
export interface Presence {
  readonly sessions: ReadonlySet<number>;
  /** Time that the resources outlive the last session, in ms; undefined: they stay. */
  readonly holdTimeMs: number | undefined;
  /** When they go; undefined while a session is there, and if they stay. */
  readonly deadline: Now | undefined;
}

/** What is saved of an owner whose resources are to go. */
export interface SavedAbsence {
  readonly holdTimeMs: number;
  /** When they go, in ms after 1970; undefined if a session is there. */
  readonly deadlineMs: number | undefined;
}

export const UNKNOWN_OWNER: Presence = { sessions: new Set(), holdTimeMs: undefined, deadline: undefined };

/** A session of the owner is there. */
export function arrive(owner: Presence, session: number): Presence {
  return { ...owner, sessions: new Set(owner.sessions).add(session), deadline: undefined };
}

/** The primary says what its absence means. */
export function agree(owner: Presence, holdTimeMs: number | undefined): Presence {
  return { ...owner, holdTimeMs };
}

/** A session is gone; with the last one the time begins. */
export function depart(owner: Presence, session: number, now: Now): Presence {
  if (!owner.sessions.has(session)) return owner;
  const sessions = new Set(owner.sessions);
  sessions.delete(session);
  const { holdTimeMs } = owner;
  const isLast = sessions.size === 0 && holdTimeMs !== undefined;
  return { sessions, holdTimeMs, deadline: isLast ? later(now, holdTimeMs) : undefined };
}

/** What is to be saved; undefined if the resources stay. */
export function savedAbsence({ holdTimeMs, deadline }: Presence): SavedAbsence | undefined {
  return holdTimeMs === undefined ? undefined : { holdTimeMs, deadlineMs: deadline?.wallMs };
}

/**
 * An owner as an earlier agent saved it. One that was away has the rest of its time: none if that is over, and all of it
 * at most, if the clock of the wall went back meanwhile.
 */
export function restore({ holdTimeMs, deadlineMs }: SavedAbsence, now: Now): Presence {
  const restMs =
    deadlineMs === undefined
      ? Math.max(holdTimeMs, RETURN_MIN_MS)
      : Math.min(Math.max(deadlineMs - now.wallMs, 0), holdTimeMs);
  return { sessions: new Set(), holdTimeMs, deadline: later(now, restMs) };
}

/** Whether nothing needs to be known of the owner any more. */
export function isForgotten({ sessions, deadline }: Presence): boolean {
  return sessions.size === 0 && deadline === undefined;
}

/** Whether the resources are to go now. */
export function isOver({ deadline }: Presence, { steadyMs }: Now): boolean {
  return deadline !== undefined && deadline.steadyMs <= steadyMs;
}

function later({ steadyMs, wallMs }: Now, ms: number): Now {
  return { steadyMs: steadyMs + ms, wallMs: wallMs + ms };
}
