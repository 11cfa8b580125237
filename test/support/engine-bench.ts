// An engine over the fake kernel, and short words for what tests do with it.
import { Engine, type EngineNote, type EngineOptions, type EntryView } from '../../src/agent/engine.js';
import type { Operation } from '../../src/agent/kernel/port.js';
import type { Family } from '../../src/model/address.js';
import type { Change } from '../../src/model/change.js';
import { MRULE_PRIORITY_DEFAULT } from '../../src/model/mrule.js';
import { type Resource, type ResourceKey, formatResourceKey } from '../../src/model/resource.js';
import { FakeKernel, type FakeKernelOptions, fakeLink } from './fake-kernel.js';
import { TEST_TABLE, mroute, testGroup, testSource } from './fib-turns.js';

/** Options of a request that asks for nothing special. */
export const APPLY = { validateOnly: false, expectedRevision: undefined, strict: false } as const;

/** An engine that runs, and what it has said. */
export function openEngine(differing: Partial<EngineOptions> = {}, kernelOptions: FakeKernelOptions = {}) {
  const links = ['eth0', 'eth1', 'eth2', 'eth3'].map((name, index) => fakeLink(index + 1, name));
  const kernel = new FakeKernel({ links, tellsOwn: true, ...kernelOptions });
  const engine = new Engine(kernel, {
    table: TEST_TABLE,
    mrulePriority: MRULE_PRIORITY_DEFAULT,
    makesMrules: true,
    starG: 'kernel',
    cacheTimeoutMs: 60_000,
    ...differing,
  });
  const notes: EngineNote[] = [];
  const changes: { readonly revision: bigint; readonly keys: readonly string[] }[] = [];
  engine.onNote((note) => notes.push(note));
  engine.onChange((revision, keys) => changes.push({ revision, keys: Array.from(keys, ({ text }) => text).sort() }));
  engine.start();
  return {
    kernel,
    engine,
    notes,
    changes,
    put: (owner: string, ...rules: readonly string[]) =>
      engine.apply(
        owner,
        rules.map((rule) => putOf(mroute(rule))),
        APPLY,
      ),
    remove: (owner: string, rule: string) =>
      engine.apply(owner, [{ action: 'delete', key: mroute(rule).key, mustExist: true }], APPLY),
    state: (rule: string) => entriesOf(engine, mroute(rule).key)[0]?.status.state,
    send: (iif: string, source = 1, family: Family = 'ipv4', group = 1) =>
      kernel.send(iif, testSource(family, source), testGroup(family, group)),
    /** Operations since the last call. */
    done: operationsOf(kernel),
  };
}

export function putOf(resource: Resource): Change {
  return { action: 'put', resource };
}

export function keyOf(rule: string): string {
  return formatResourceKey(mroute(rule).key);
}

/** The entries under a key; none if nobody wants it. */
export function entriesOf(engine: Engine, key: ResourceKey): readonly EntryView[] {
  const slot = engine.find(key);
  return slot === undefined ? [] : engine.entries(slot);
}

function operationsOf(kernel: FakeKernel): () => readonly Operation[] {
  let seen = 0;
  return () => {
    const news = kernel.applied.slice(seen);
    seen = kernel.applied.length;
    return news;
  };
}

/** Returns when news has had its turn, and what that turn brought about. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
