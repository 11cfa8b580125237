// A router whose tables are served by units of a booted machine, with streams of both families through it.
import assert from 'node:assert/strict';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import { connectToSocket } from '../../src/api/client.js';
import { apply, list } from '../support/calls.js';
import { type Disk, type Machine, bootMachine } from '../support/machine.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { type Traffic, openTraffic } from '../support/traffic.js';
import type { ReceiveReport } from '../support/traffic-protocol.js';
import { eventually } from '../support/wait.js';
import { type TableUnderTest, groupsOf, resourcesOf } from './tables.js';

/** The router; its network stays when the machine is off. */
export class ServiceRouter implements AsyncDisposable {
  readonly tables: readonly TableUnderTest[];
  readonly #disk: Disk;
  readonly #topology: RouterTopology;
  readonly #senders: readonly Traffic[];
  readonly #receiver: Traffic;
  #machine: Machine | undefined;

  constructor(disk: Disk, tables: readonly TableUnderTest[]) {
    this.tables = tables;
    this.#disk = disk;
    this.#topology = routerTopology({ senders: tables.length, receivers: 1 });
    this.#senders = this.#topology.senders.map(({ namespace }) => openTraffic(namespace));
    this.#receiver = openTraffic(this.#topology.receiver(1).namespace);
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new Error('the machine is off');
    return this.#machine;
  }

  async boot(): Promise<void> {
    this.#machine = await bootMachine(this.#disk, this.#topology.router);
  }

  /** What docs/systemd.md asks for after the first installation. */
  prepareInstallation(): void {
    this.machine.run('systemd-sysusers');
    this.machine.run('systemd-tmpfiles', '--create', 'mcroute.conf');
  }

  async powerOff(): Promise<number | string> {
    const status = await this.machine.powerOff();
    this.#machine = undefined;
    return status;
  }

  /** Tells each table its rules and joins. */
  async tell(): Promise<void> {
    for (const tested of this.tables) {
      const changes = resourcesOf(tested).map((resource) => ({ put: resource }));
      await this.#withAgent(tested.table, (client) => apply(client, { table: tested.table, changes }));
    }
  }

  /** What is in the kernel, of all tables: entries, mrules and joins; no counters and no times. */
  kernelState(): readonly string[] {
    return KERNEL_STATE.flatMap((command) => {
      const entries = this.#topology.router.ipJson(command) as readonly unknown[];
      return entries.map((entry) => `${command}: ${JSON.stringify(entry)}`).sort();
    });
  }

  /** Sends one packet of each flow, so that those that are learned are there afterwards. */
  async learnFlows(): Promise<void> {
    assert.deepEqual(await this.#stream({ count: 1 }), []);
  }

  /**
   * Something happens to a unit while every stream runs, and the unit serves again: neither the kernel nor the streams have
   * noticed, and the tables answer as before.
   *
   * @param isOver tells that it serves again; left out: the unit has another main process and is active.
   */
  async survives(
    unit: string,
    happening: () => void | Promise<void>,
    isOver: () => boolean = this.isReplaced(unit),
  ): Promise<void> {
    const before = { kernel: this.kernelState(), entries: await this.#entries() };
    const complaints = await this.#stream({
      meanwhile: async () => {
        await happening();
        await eventually(() => (isOver() ? true : undefined), `${unit} serves again`, RECOVERY_LIMIT_MS);
      },
    });
    assert.deepEqual(complaints, [], this.machine.journal(unit));
    assert.deepEqual({ kernel: this.kernelState(), entries: await this.#entries() }, before);
  }

  /** Tells whether the unit has got another main process since this was called, and serves. */
  isReplaced(unit: string): () => boolean {
    const { machine } = this;
    const before = machine.property(unit, 'MainPID');
    return () => {
      // Both in one answer: they change at different times.
      const [pid = '', state = ''] = machine.property(unit, 'MainPID,ActiveState').split('\n');
      return state === 'active' && pid !== '0' && pid !== before;
    };
  }

  /** The process of a table's agent; undefined while there is none. */
  agentPid(table: number): number | undefined {
    const { stdout } = this.machine.try('pgrep', '--full', '--', `start.cjs mcroute-agent .*--table ${table}\\b`);
    return stdout === '' ? undefined : Number(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
    for (const traffic of [...this.#senders, this.#receiver]) traffic[Symbol.dispose]();
    this.#topology[Symbol.dispose]();
  }

  async #entries(): Promise<readonly (readonly Entry__Output[])[]> {
    const tables = this.tables.map(({ table }) => table);
    return Promise.all(
      tables.map((table) => this.#withAgent(table, async (client) => (await list(client, { table })).entries)),
    );
  }

  async #withAgent<T>(
    table: number,
    body: (client: ReturnType<typeof connectToSocket>['client']) => Promise<T>,
  ): Promise<T> {
    using connection = connectToSocket(this.machine.path(`run/mcroute/${table}.sock`));
    return await body(connection.client);
  }

  /**
   * Every stream runs; with `meanwhile` before, during and after it, with `count` that many packets.
   *
   * @returns a line for each stream of which a packet was lost or duplicated.
   */
  async #stream(how: { meanwhile: () => Promise<void> } | { count: number }): Promise<readonly string[]> {
    const receiver = await this.#receiver.receive({ interface: 'eth0', groups: this.tables.flatMap(groupsOf) });
    const senders = await Promise.all(
      this.#senders.map((traffic, index) => {
        const groups = this.tables.slice(index, index + 1).flatMap(groupsOf);
        const count = 'count' in how ? { count: how.count } : {};
        return traffic.send({ interface: 'eth0', groups, rate: RATE, ...count });
      }),
    );
    if ('meanwhile' in how) {
      await receiver.awaitPackets(PACKETS_AROUND);
      await how.meanwhile();
      await receiver.awaitPackets(packetsOf(await receiver.report()) + PACKETS_AROUND);
    }
    const sent = await Promise.all(senders.map((sender) => ('count' in how ? sender.finish() : sender.stop())));
    const report = await receiver.collect({ streams: sent.flatMap(({ streams }) => streams), refused: 0 });
    return complaintsAbout(report);
  }
}

function packetsOf({ streams }: ReceiveReport): number {
  return streams.reduce((total, { received }) => total + received, 0);
}

function complaintsAbout({ streams, socketDrops }: ReceiveReport): string[] {
  const told = streams
    .filter(({ lost, duplicated }) => lost > 0 || duplicated > 0)
    .map(({ source, group, lost, duplicated }) => `(${source}, ${group}): ${lost} lost, ${duplicated} duplicated`);
  return socketDrops === 0 ? told : [...told, `${socketDrops} dropped by the receiver's own socket`];
}

/** Packets per second to a table: 1,000 of each family. */
const RATE = 2_000;

/** Packets of all streams together that arrive before and after what happens meanwhile. */
const PACKETS_AROUND = 500;

/** A watchdog of 2 s, and a start. */
const RECOVERY_LIMIT_MS = 30_000;

/** For `ip -json`. */
const KERNEL_STATE = [
  'mroute show table all',
  '-6 mroute show table all',
  'mrule show',
  '-6 mrule show',
  'maddress show',
] as const;
