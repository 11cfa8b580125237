// A table over a fake kernel and a modelled disk, with all that makes its changes last and takes them back.
import { basename, dirname, join } from 'node:path';
import { DurableWishes } from '../../src/agent/durable-wishes.js';
import { Engine, type ChangeOrigin } from '../../src/agent/engine.js';
import { ChangeHistory } from '../../src/agent/history/change-history.js';
import { Confirmations } from '../../src/agent/history/confirmations.js';
import type { HistoryNote } from '../../src/agent/history/entry.js';
import { SafeChanges } from '../../src/agent/history/safe-changes.js';
import type { Disk, DiskFile } from '../../src/agent/store/disk.js';
import { openWishStore } from '../../src/agent/store/wish-store.js';
import type { Change } from '../../src/model/change.js';
import { MRULE_PRIORITY_DEFAULT } from '../../src/model/mrule.js';
import { APPLY } from './engine-bench.js';
import { FakeKernel, fakeLink } from './fake-kernel.js';
import { TEST_TABLE } from './fib-turns.js';
import type { ModelledDisk } from './modelled-disk.js';
import { wishesText } from './store-history.js';

const DIRECTORY = '/state/7';

/** Names of a folder of a disk that has none. */
const FOLDER = 'history~';

/** The part of a disk whose names begin so, without that: a modelled disk has one directory. */
class Folder implements Disk {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  listSync(directory: string): readonly string[] {
    const names = this.#disk.listSync(directory);
    return names.filter((name) => name.startsWith(FOLDER)).map((name) => name.slice(FOLDER.length));
  }

  readSync(path: string, limit?: number): Buffer {
    return this.#disk.readSync(within(path), limit);
  }

  openSync(path: string, how: 'create' | 'continue'): DiskFile {
    return this.#disk.openSync(within(path), how);
  }

  renameSync(from: string, to: string): void {
    this.#disk.renameSync(within(from), within(to));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(within(from), within(to));
  }

  removeSync(path: string): void {
    this.#disk.removeSync(within(path));
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(within(path));
  }

  syncDirectorySync(directory: string): void {
    this.#disk.syncDirectorySync(directory);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#disk.syncDirectory(directory);
  }
}

function within(path: string): string {
  return join(dirname(path), `${FOLDER}${basename(path)}`);
}

/** A table as one agent of it has it. */
export class SafeTable {
  readonly engine: Engine;
  readonly changes: SafeChanges;
  readonly notes: HistoryNote[];
  readonly #wishes: DurableWishes | undefined;

  private constructor(engine: Engine, changes: SafeChanges, wishes: DurableWishes | undefined, notes: HistoryNote[]) {
    this.engine = engine;
    this.changes = changes;
    this.#wishes = wishes;
    this.notes = notes;
  }

  /**
   * Begins with what the disk has; without one nothing is saved.
   *
   * @param now ms after 1970
   */
  static async open(disk: ModelledDisk | undefined, now: () => number): Promise<SafeTable> {
    const notes: HistoryNote[] = [];
    const onNote = (note: HistoryNote) => void notes.push(note);
    const saved = disk && openWishStore({ directory: DIRECTORY, table: TEST_TABLE, onNote: () => undefined, disk });
    const firstRevision = (saved?.revision ?? 0n) + 100n;
    const confirmations = new Confirmations(disk && { disk, directory: DIRECTORY, table: TEST_TABLE });
    confirmations.read();
    const history = new ChangeHistory({
      saved: disk &&
        saved && {
          disk: new Folder(disk),
          directory: DIRECTORY,
          table: TEST_TABLE,
          lastRevisions: saved.lastRevisions,
          unsavedOwner: undefined,
        },
      revision: saved?.revision ?? 0n,
      firstRevision,
      neededAfter: (owner) => confirmations.of(owner)?.base,
      onNote,
      now,
    });
    const wishes = saved && new DurableWishes(saved.store, undefined, () => history.sync());
    const changes = new SafeChanges({ history, confirmations, journal: wishes, onNote, now });
    const engine = new Engine(new FakeKernel({ links: [fakeLink(1, 'in0'), fakeLink(2, 'out0')] }), {
      table: TEST_TABLE,
      mrulePriority: MRULE_PRIORITY_DEFAULT,
      makesMrules: false,
      starG: 'kernel',
      cacheTimeoutMs: 0,
      firstRevision,
      journal: changes,
    });
    engine.start(saved?.wishes ?? []);
    wishes?.attach({
      get revision() {
        return engine.revision;
      },
      resources: () => engine.resources(),
      takeBack: (steps) => {
        engine.takeBack(steps);
        changes.takenBack(steps);
      },
    });
    const table = new SafeTable(engine, changes, wishes, notes);
    await changes.start(engine);
    return table;
  }

  /** What is wanted now. */
  get text(): string {
    return wishesText(this.engine.resources());
  }

  /** Changes something and waits until that lasts. Gives the revision. */
  async apply(owner: string, changes: readonly Change[], origin: Partial<ChangeOrigin> = {}): Promise<bigint> {
    const { revision } = this.engine.apply(owner, changes, { ...APPLY, origin: { method: 'Apply', ...origin } });
    await this.changes.settled();
    return revision;
  }

  /** Takes changes back and waits until that lasts. Gives the revision that it went back to. */
  async rollback(owner: string, toRevision: bigint, origin: Partial<ChangeOrigin> = {}): Promise<bigint> {
    const options = { ...APPLY, origin: { method: 'Rollback', ...origin } };
    const { restoredRevision } = await this.changes.rollback(owner, toRevision, options);
    return restoredRevision;
  }

  async close(): Promise<void> {
    this.changes.close();
    await this.#wishes?.close();
    await this.changes.history.close();
  }
}
