// Random histories of a table that is saved, and what may be read after the power went.
import type { WishStore, OwnedResource } from '../../src/agent/store/wish-store.js';
import type { Difference, Step } from '../../src/agent/rib/rib.js';
import { encodeResource } from '../../src/agent/rib/wish-text.js';
import { parsePrefix } from '../../src/model/address.js';
import { type Resource, formatResourceKey, sameResource } from '../../src/model/resource.js';
import { interfaceSettings } from './interface-conditions.js';
import type { Random } from './random.js';

/** What is wanted, by owner and formatted key. */
export type Wanted = ReadonlyMap<string, OwnedResource>;

/** A state that a table has had. */
export interface TableState {
  readonly wanted: Wanted;
  readonly revision: bigint;
}

export const EMPTY_STATE: TableState = { wanted: new Map(), revision: 0n };

/** A step that changes something, and the state after it. */
export function randomStep(state: TableState, random: Random): { readonly step: Step; readonly after: TableState } {
  const owner = random.pick(['config', 'cli']);
  const wanted = new Map(state.wanted);
  const differences = new Map<string, Difference>();
  const count = 1 + random.below(3);
  while (differences.size < count) {
    const resource = randomResource(random);
    const key = formatResourceKey(resource.key);
    const id = `${owner} ${key}`;
    const before = state.wanted.get(id)?.resource;
    const after = before !== undefined && random.below(2) === 0 ? undefined : resource;
    if (differences.has(key) || (before !== undefined && after !== undefined && sameResource(before, after))) continue;
    differences.set(key, { key: resource.key, before, after });
    if (after === undefined) wanted.delete(id);
    else wanted.set(id, { owner, resource: after });
  }
  return {
    step: { owner, differences: [...differences.values()] },
    after: { wanted, revision: state.revision + 1n + BigInt(random.below(3)) },
  };
}

/** Text that is equal for equal wishes, in whatever order. */
export function wishesText(wishes: Iterable<OwnedResource>): string {
  const lines = Array.from(wishes, ({ owner, resource }) => JSON.stringify({ owner, ...encodeResource(resource) }));
  return lines.sort().join('\n');
}

/** The states that a table may have after a power cut: none before the last one that was acknowledged. */
export class PossibleStates {
  /** From the last acknowledged one on, those that were taken back included. */
  #possible: TableState[];
  /** From the last acknowledged one on. */
  #line: TableState[];

  constructor(start: TableState) {
    this.#possible = [start];
    this.#line = [start];
  }

  /** As it is now. */
  get state(): TableState {
    return this.#line.at(-1) ?? EMPTY_STATE;
  }

  /** Whether that may have been read. The revision may be one of a step that was taken back. */
  has(wishes: readonly OwnedResource[], revision: bigint): boolean {
    const text = wishesText(wishes);
    return this.#possible.some((state) => revision >= state.revision && wishesText(state.wanted.values()) === text);
  }

  /** For the message of a test. */
  toString(): string {
    return this.#possible.map((state) => wishesText(state.wanted.values())).join('\n\nor\n\n');
  }

  take(state: TableState): void {
    this.#possible.push(state);
    this.#line.push(state);
  }

  acknowledge(state: TableState): void {
    this.#possible.splice(0, this.#possible.indexOf(state));
    this.#line.splice(0, Math.max(0, this.#line.indexOf(state)));
  }

  /** It was read again, and what was not acknowledged may still be lost. */
  reread(state: TableState): void {
    this.#possible.push(state);
    this.#line = [state];
  }

  /** A state, and those after it, could not be saved. */
  takeBack(state: TableState): void {
    const index = this.#line.indexOf(state);
    if (index !== -1) this.#line.length = index;
  }
}

/**
 * Begins something at random: mostly a step, sometimes a snapshot. `onStep` hears of each step.
 *
 * @throws StorageError if the step is refused.
 */
export function act(
  store: Pick<WishStore, 'append' | 'sync' | 'snapshot'>,
  state: TableState,
  random: Random,
  onStep: (after: TableState, saved: Promise<void>) => void,
): void {
  if (random.below(8) === 0) {
    void store.snapshot([...state.wanted.values()], state.revision);
    return;
  }
  const { step, after } = randomStep(state, random);
  store.append(step, after.revision);
  onStep(after, store.sync());
}

function randomResource(random: Random): Resource {
  const number = random.below(6);
  const label = random.pick(['', 'hall 2', 'Zürich\n"1"']);
  const flow = { source: parsePrefix('0.0.0.0/0'), group: parsePrefix(`239.1.1.${number}`) };
  switch (random.below(4)) {
    case 0:
      return { key: { kind: 'membership', interface: 'in0', ...flow }, label };
    case 1:
      return interfaceSettings(`out${number}`, {
        ttlThreshold: 1 + random.below(9),
        isEnabled: [undefined, true, false][random.below(3)],
        isQuerier: random.below(2) === 0,
        isAdvertised: random.below(2) === 0,
        boundaries: random.some(['239.255.0.0/16', 'ff05::/16']).map(parsePrefix),
      });
    default: {
      const oifs = random.some(['out0', 'out1', 'out2']).map((name) => ({ interface: name, ttlThreshold: undefined }));
      return { key: { kind: 'mroute', iif: 'in0', ...flow }, oifs, except: [], deny: false, label };
    }
  }
}
