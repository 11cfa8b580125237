// The changes of a batch on their way: in calls of many commands, some of them under way while more lines are read.
import { type Daemon, applyCommands, readOwner } from './apply.js';
import { isBlind } from './changes.js';
import type { ChangeCommand } from './command.js';

/** Commands of one call that depends on nothing: enough that the call itself costs little. */
const ADDS_PER_CALL = 1_000;

/** Commands of one call that needs to know what the table has, which is listed for each. */
const COMMANDS_PER_CALL = 10_000;

/** Calls that are under way at once. */
const CALLS_AHEAD = 4;

/** What came of the commands of a call: lines for those that failed, or why there is no telling. */
type Outcome = { readonly failures: string[][] } | { readonly error: unknown };

/** Tells what came of a call; throws if there is no use in going on. */
type Tell = (attempt: () => string[][]) => Promise<void>;

/**
 * Applies commands. Those that add do not depend on each other, so that one call need not wait for the other; what they come
 * to is told in their order all the same.
 */
export class Batch {
  readonly #daemon: Daemon;
  readonly #tell: Tell;
  #owner: Promise<string> | undefined;
  #waiting: ChangeCommand[] = [];
  #isBlind = true;
  readonly #underWay: Promise<Outcome>[] = [];

  /** @param tell called once for each call, in the order of the commands */
  constructor(daemon: Daemon, tell: Tell) {
    this.#daemon = daemon;
    this.#tell = tell;
  }

  /** Adds a command; returns when there is room for more. */
  async add(command: ChangeCommand): Promise<void> {
    this.#waiting.push(command);
    this.#isBlind &&= isBlind(command);
    if (this.#waiting.length >= (this.#isBlind ? ADDS_PER_CALL : COMMANDS_PER_CALL)) await this.#send();
  }

  /** Waits until all has been done and told. */
  async finish(): Promise<void> {
    if (this.#waiting.length > 0) await this.#send();
    await this.#waitFor(0);
  }

  async #send(): Promise<void> {
    const commands = this.#waiting;
    // What depends on the table needs all that was before.
    await this.#waitFor(this.#isBlind ? CALLS_AHEAD - 1 : 0);
    this.#waiting = [];
    this.#isBlind = true;
    this.#underWay.push(this.#apply(commands));
  }

  async #apply(commands: readonly ChangeCommand[]): Promise<Outcome> {
    try {
      return { failures: await applyCommands(this.#daemon, await this.#askOwner(), commands) };
    } catch (error) {
      return { error };
    }
  }

  /** Asks once for all calls, and again only if that has failed. */
  #askOwner(): Promise<string> {
    this.#owner ??= readOwner(this.#daemon).catch((error: unknown) => {
      this.#owner = undefined;
      throw error;
    });
    return this.#owner;
  }

  /** Waits until no more calls than so many are under way. */
  async #waitFor(count: number): Promise<void> {
    while (this.#underWay.length > count) {
      const outcome = await this.#underWay.shift();
      await this.#tell(() => {
        if (outcome === undefined) return [];
        if ('error' in outcome) throw outcome.error;
        return outcome.failures;
      });
    }
  }
}
