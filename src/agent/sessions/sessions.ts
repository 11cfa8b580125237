// The sessions of a table: who is the primary of each role, and which owners are away. A thin shell around election.ts and
// absence.ts: one event after the other, saved before anybody is told.
import { ROLES_PER_TABLE_MAX, SESSIONS_MAX } from '../../model/limits.js';
import {
  type Now,
  type Presence,
  UNKNOWN_OWNER,
  agree,
  arrive,
  depart,
  isForgotten,
  isOver,
  restore,
  savedAbsence,
} from './absence.js';
import { type Role, type Standing, changedStandings, claim, emptyRole, leave, standingOf } from './election.js';
import type { SessionRecord } from './record.js';
import type { SessionStore } from './session-file.js';

/** What a controller says of itself. */
export interface SessionClaim {
  readonly owner: string;
  readonly role: string;
  readonly electionId: bigint;
  /** Time that the owner's resources outlive its last session, in ms; undefined: they stay. */
  readonly holdTimeMs: number | undefined;
}

/** A claim that cannot be, or too many of them. */
export class SessionError extends Error {
  readonly code: 'OTHER_OWNER' | 'TOO_MANY_SESSIONS' | 'TOO_MANY_ROLES';

  constructor(code: SessionError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Something worth a line in the log. */
export type SessionNote =
  | { readonly note: 'the resources of an absent owner were removed'; readonly owner: string; readonly removed: number }
  | {
      readonly note: 'the resources of an absent owner could not be removed';
      readonly owner: string;
      readonly error: unknown;
    }
  | { readonly note: 'the sessions could not be saved'; readonly error: unknown };

export interface SessionsOptions {
  /** Where they are remembered; undefined: only as long as the agent lives. */
  readonly store: SessionStore | undefined;
  /** What an earlier agent saved. */
  readonly record: SessionRecord;
  readonly clock: () => Now;
  /** Calls back after so many ms; gives what ends that. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Removes all that an owner wants, durably; gives how many resources those were. */
  readonly removeAll: (owner: string) => Promise<number>;
  readonly onNote: (note: SessionNote) => void;
}

/** A session that is there. */
export interface Session {
  readonly isPrimary: boolean;
  readonly standing: Standing;
  /**
   * Changes the election id or the hold time.
   *
   * @throws SessionError, StorageError (rejects); it stands as before then.
   */
  claim(claim: SessionClaim): Promise<Standing>;
  /** Ends it. */
  leave(): void;
}

/** Longest time that a timer of Node takes, in ms. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Time after which a removal that failed is tried again, in ms. */
const RETRY_MS = 5_000;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #roles = new Map<string, Role>();
  readonly #owners = new Map<string, Presence>();
  readonly #listeners = new Map<number, (standing: Standing) => void>();
  /** What another agent would read; undefined if that is not known since it could not be saved. */
  #saved: SessionRecord | undefined;
  #lastNumber = 0;
  /** Those that are there or on their way. */
  #count = 0;
  /** Ends when all events until now have had their effect. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;
  #isClosed = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#saved = options.record;
    const now = options.clock();
    for (const [role, highest] of options.record.roles) this.#roles.set(role, emptyRole(highest));
    for (const [owner, saved] of options.record.owners) this.#owners.set(owner, restore(saved, now));
  }

  /** Begins to mind absences. Resolves when the resources are gone of those whose time was over before. */
  async start(): Promise<void> {
    await this.#inOrder(() => this.#removeOverdue());
  }

  get count(): number {
    return this.#count;
  }

  /**
   * A controller comes.
   *
   * @param onStanding called when others have made it stand otherwise.
   * @throws SessionError, StorageError (rejects).
   */
  async join(request: SessionClaim, onStanding: (standing: Standing) => void): Promise<Session> {
    if (this.#count >= SESSIONS_MAX) {
      throw new SessionError('TOO_MANY_SESSIONS', `${SESSIONS_MAX} sessions are open, which is the limit: end one`);
    }
    this.#count++;
    const number = ++this.#lastNumber;
    const { role: name, owner } = request;
    try {
      await this.#claim(number, request);
    } catch (error) {
      this.#count--;
      throw error;
    }
    this.#listeners.set(number, onStanding);
    const standing = () => standingOf(this.#roles.get(name) ?? emptyRole(), number);
    let isThere = true;
    return {
      get isPrimary() {
        return isThere && standing().isPrimary;
      },
      get standing() {
        return standing();
      },
      claim: (next) => this.#claim(number, next),
      leave: () => {
        if (!isThere) return;
        isThere = false;
        this.#count--;
        this.#listeners.delete(number);
        // It throws only what is a bug.
        void this.#inOrder(() => this.#leave(number, name, owner));
      },
    };
  }

  /** Ends the minding of absences. The owners whose sessions are there now have time to come back to the next agent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    await this.#last;
  }

  #claim(number: number, request: SessionClaim): Promise<Standing> {
    return this.#inOrder(async () => {
      const { owner, role: name, electionId, holdTimeMs } = request;
      const before = this.#roles.get(name) ?? emptyRole();
      checkOwner(before, number, request);
      const after = claim(before, number, owner, electionId);
      const standing = standingOf(after, number);
      const present = arrive(this.#owners.get(owner) ?? UNKNOWN_OWNER, number);
      const agreed = standing.isPrimary ? agree(present, holdTimeMs) : present;
      this.#checkRoom(name, after, owner, agreed);
      await this.#save(recordOf(new Map(this.#roles).set(name, after), new Map(this.#owners).set(owner, agreed)));
      this.#roles.set(name, after);
      this.#owners.set(owner, agreed);
      this.#setTimer();
      this.#tell(before, after, number);
      return standing;
    });
  }

  async #leave(number: number, name: string, owner: string): Promise<void> {
    const before = this.#roles.get(name);
    const present = this.#owners.get(owner);
    if (before === undefined || present === undefined || this.#isClosed) return;
    const after = leave(before, number);
    if (after.highest === 0n && after.sessions.size === 0) this.#roles.delete(name);
    else this.#roles.set(name, after);
    this.#tell(before, after, number);
    await this.#setPresence(owner, depart(present, number, this.#options.clock()));
  }

  async #setPresence(owner: string, presence: Presence): Promise<void> {
    if (isForgotten(presence)) this.#owners.delete(owner);
    else this.#owners.set(owner, presence);
    this.#setTimer();
    try {
      await this.#save(recordOf(this.#roles, this.#owners));
    } catch (error) {
      // Nobody waits for it. The record that holds gives the owner no less time.
      this.#options.onNote({ note: 'the sessions could not be saved', error });
    }
  }

  async #save(record: SessionRecord): Promise<void> {
    if (this.#saved !== undefined && sameRecord(record, this.#saved)) return;
    this.#saved = undefined;
    await this.#options.store?.save(record);
    this.#saved = record;
  }

  #tell(before: Role, after: Role, except: number): void {
    for (const [session, standing] of changedStandings(before, after)) {
      if (session !== except) this.#listeners.get(session)?.(standing);
    }
  }

  #checkRoom(name: string, role: Role, owner: string, presence: Presence): void {
    const roles = new Set(this.#roles.keys());
    const owners = new Set(this.#owners.keys());
    if (role.highest !== 0n) roles.add(name);
    if (savedAbsence(presence) !== undefined) owners.add(owner);
    if (roles.size <= ROLES_PER_TABLE_MAX && owners.size <= ROLES_PER_TABLE_MAX) return;
    throw new SessionError(
      'TOO_MANY_ROLES',
      `the table remembers ${ROLES_PER_TABLE_MAX} roles, which is the limit: use one of them again`,
    );
  }

  /** One timer, for the owner whose time is over first. */
  #setTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => undefined;
    const due = [...this.#owners.values()].flatMap(({ deadline }) => deadline?.steadyMs ?? []);
    if (due.length === 0 || this.#isClosed) return;
    const restMs = Math.min(...due) - this.#options.clock().steadyMs;
    this.#cancelTimer = this.#options.after(Math.min(Math.max(restMs, 0), TIMER_MAX_MS), () => {
      // It throws only what is a bug.
      void this.#inOrder(() => this.#removeOverdue());
    });
  }

  async #removeOverdue(): Promise<void> {
    for (const [owner, presence] of this.#owners) {
      if (this.#isClosed) return;
      if (isOver(presence, this.#options.clock())) await this.#remove(owner, presence);
    }
    this.#setTimer();
  }

  /** Nobody can come in between: events wait for each other. */
  async #remove(owner: string, presence: Presence): Promise<void> {
    const { removeAll, onNote, clock } = this.#options;
    let removed: number;
    try {
      removed = await removeAll(owner);
    } catch (error) {
      onNote({ note: 'the resources of an absent owner could not be removed', owner, error });
      const { steadyMs, wallMs } = clock();
      // What is saved stays: another agent tries again at once.
      const deadline = { steadyMs: steadyMs + RETRY_MS, wallMs: presence.deadline?.wallMs ?? wallMs };
      this.#owners.set(owner, { ...presence, deadline });
      return;
    }
    onNote({ note: 'the resources of an absent owner were removed', owner, removed });
    await this.#setPresence(owner, UNKNOWN_OWNER);
  }

  /** Has the effects of events one after the other, as they came. */
  #inOrder<Result>(event: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(event);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

function recordOf(roles: ReadonlyMap<string, Role>, owners: ReadonlyMap<string, Presence>): SessionRecord {
  return {
    roles: new Map([...roles].flatMap(([name, { highest }]) => (highest === 0n ? [] : [[name, highest] as const]))),
    owners: new Map(
      [...owners].flatMap(([owner, presence]) => {
        const saved = savedAbsence(presence);
        return saved === undefined ? [] : [[owner, saved] as const];
      }),
    ),
  };
}

function sameRecord(a: SessionRecord, b: SessionRecord): boolean {
  return (
    a.roles.size === b.roles.size &&
    a.owners.size === b.owners.size &&
    [...a.roles].every(([role, highest]) => b.roles.get(role) === highest) &&
    [...a.owners].every(([owner, { holdTimeMs, deadlineMs }]) => {
      const other = b.owners.get(owner);
      return other?.holdTimeMs === holdTimeMs && other.deadlineMs === deadlineMs;
    })
  );
}

/** Two owners in a role would obey each other's elections. */
function checkOwner({ owner, sessions }: Role, number: number, request: SessionClaim): void {
  const hasOthers = sessions.size > (sessions.has(number) ? 1 : 0);
  if (!hasOthers || owner === request.owner) return;
  throw new SessionError(
    'OTHER_OWNER',
    `the sessions of role '${request.role}' are of owner '${owner}', not '${request.owner}': use another role`,
  );
}
