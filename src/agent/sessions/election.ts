// Which session of a role is the primary. Pure: events make states of states, and the difference is what is told.
//
// The id that wins is never beaten by a lower one: the role remembers the highest id, not only those of its sessions.

/** A role and the sessions in it. */
export interface Role {
  /** Highest election id that was heard of; 0n: none yet. */
  readonly highest: bigint;
  /** The session that was elected, which has this id; undefined while there is none. */
  readonly primary: number | undefined;
  /** Whose resources its sessions are about; of no meaning without sessions. */
  readonly owner: string;
  /** Election ids of the sessions, by their numbers. */
  readonly sessions: ReadonlyMap<number, bigint>;
}

/** Where a session stands. */
export interface Standing {
  /** Its changes are taken. */
  readonly isPrimary: boolean;
  readonly highest: bigint;
  /** There is a session in the role whose changes are taken. */
  readonly hasPrimary: boolean;
}

/** A role of which nothing is known but an id. */
export function emptyRole(highest = 0n): Role {
  return { highest, primary: undefined, owner: '', sessions: new Map() };
}

/**
 * A session comes with an id, or has another one. It is the primary from then on if no id was higher: of equal ones the
 * last that came counts, since a controller is back before its dead connection is noticed. With a lower one than it had
 * it resigns. 0n takes no part.
 */
export function claim(role: Role, session: number, owner: string, electionId: bigint): Role {
  const sessions = new Map(role.sessions).set(session, electionId);
  const highest = electionId > role.highest ? electionId : role.highest;
  const isElected = electionId !== 0n && electionId === highest;
  const others = role.primary === session ? undefined : role.primary;
  return { highest, primary: isElected ? session : others, owner, sessions };
}

/** A session is gone. Nobody takes its place unasked: another one claims it, with an id that is not lower. */
export function leave(role: Role, session: number): Role {
  const sessions = new Map(role.sessions);
  sessions.delete(session);
  return { ...role, primary: role.primary === session ? undefined : role.primary, sessions };
}

/** Where a session of the role stands. */
export function standingOf(role: Role, session: number): Standing {
  const hasElection = [...role.sessions.values()].some((electionId) => electionId !== 0n);
  return {
    isPrimary: role.sessions.has(session) && (hasElection ? role.primary === session : true),
    highest: role.highest,
    hasPrimary: hasElection ? role.primary !== undefined : role.sessions.size > 0,
  };
}

/** The sessions that were there before, still are, and stand otherwise. */
export function changedStandings(before: Role, after: Role): (readonly [session: number, Standing])[] {
  return [...before.sessions.keys()].flatMap((session) => {
    if (!after.sessions.has(session)) return [];
    const [was, is] = [standingOf(before, session), standingOf(after, session)];
    const isSame = was.isPrimary === is.isPrimary && was.highest === is.highest && was.hasPrimary === is.hasPrimary;
    return isSame ? [] : [[session, is] as const];
  });
}
