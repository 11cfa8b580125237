// A gateway before an agent that forwards streams, and a client that goes on with its work all the time: what an attack
// must not harm.
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { CHANNEL_OPTIONS } from '../../src/api/client.js';
import { api } from '../../src/api/load.js';
import { type Client, apply, list, put, route } from './calls.js';
import { type Issued, type Lab, makeLab } from './certificates.js';
import { type Gateway, startGateway } from './gateway.js';
import type { Door } from './hostile-client.js';
import { ServingAgent } from './unharmed.js';
import { eventually } from './wait.js';

export const TABLE = 123;

/** Where it listens with TLS; all of 127.0.0.0/8 is this host. */
export const TLS_DOOR: Door = { host: '127.0.0.1', port: 7790 };

/** Most memory that the gateway may ever have had, in kB. */
const MEMORY_MAX_KB = 150 * 1024;

/** Between two rounds of the client that does its work, in ms: what it writes stays under what one identity may. */
const ROUND_PAUSE_MS = 50;

/** Longest time in which what an attack has opened is closed, in ms. */
const CLEAN_LIMIT_MS = 40_000;

/** Who attacks, when not a stranger: it may do as much as the one who works. */
const HOSTILE = 'spiffe://lab/hostile';
const WORKER = 'spiffe://lab/worker';

const CONFIGURATION = `
listen: [{ tcp: "127.0.0.1:7790" }, { unix: ROOT/gateway.sock }]
tls: { certificate: ROOT/server.crt, key: ROOT/server.key, client-ca: ROOT/clients.crt }
policy: ROOT/policy.yaml
`;

const POLICY = `rules:
  - { identity: ["${HOSTILE}*", "${WORKER}", "uid:*"], role: operator, tables: [${TABLE}] }
`;

export class HostileSite implements AsyncDisposable {
  readonly serving: ServingAgent;
  readonly gateway: Gateway;
  /** The certificate of an identity that attacks. */
  readonly hostile: Issued;
  readonly #lab: Lab;
  readonly #client: Client;
  #before: unknown;
  #round = 0;
  /** Settles when the last round has ended: attacks may go on at the same time, and rounds may not. */
  #lastRound: Promise<unknown> = Promise.resolve();
  #agentDescriptors = 0;
  #gatewayDescriptors = 0;

  private constructor(serving: ServingAgent, gateway: Gateway, lab: Lab, hostile: Issued, worker: Issued) {
    this.serving = serving;
    this.gateway = gateway;
    this.hostile = hostile;
    this.#lab = lab;
    this.#client = this.connect(worker);
  }

  static async start(): Promise<HostileSite> {
    const lab = await makeLab();
    const serving = await ServingAgent.start(TABLE);
    try {
      const gateway = await startGateway({
        runtimeDirectory: dirname(serving.agent.socketPath),
        configuration: CONFIGURATION,
        files: {
          'server.crt': lab.server.certificate,
          'server.key': lab.server.key,
          'clients.crt': lab.ca.certificate,
          'policy.yaml': POLICY,
        },
      });
      const site = new HostileSite(serving, gateway, lab, await lab.client(HOSTILE), await lab.client(WORKER));
      await site.#work();
      site.#before = await site.#bystanders();
      site.#agentDescriptors = descriptorsOf(serving.agent.pid).length;
      site.#gatewayDescriptors = descriptorsOf(gateway.pid).length;
      return site;
    } catch (error) {
      await serving[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The unix socket, where everybody is an identity. */
  get unixDoor(): Door {
    return { path: this.gateway.socketPath };
  }

  /** Another identity that attacks. */
  hostileCalled(name: string): Promise<Issued> {
    return this.#lab.client(`${HOSTILE}-${name}`);
  }

  /** A client that does nothing wrong, on a connection of its own. */
  connect({ certificate, key }: Issued): Client {
    const { RoutingService } = api().mcroute.v1;
    const secure = credentials.createSsl(
      Buffer.from(this.#lab.ca.certificate),
      Buffer.from(key),
      Buffer.from(certificate),
    );
    const options = { ...CHANNEL_OPTIONS, 'grpc.use_local_subchannel_pool': 1 };
    return new RoutingService('127.0.0.1:7790', secure, options);
  }

  /** Attacks while the client works, which is served all the time. Others may attack meanwhile. */
  async withstand<Result>(attack: () => Promise<Result>): Promise<Result> {
    const stop = new AbortController();
    let rounds = 0;
    const working = (async () => {
      for (; !stop.signal.aborted; rounds++) {
        await this.#work();
        await pause(ROUND_PAUSE_MS, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    })();
    let result: Result;
    try {
      // Who is not served ends the attack.
      result = await Promise.race([attack(), working.then(() => assert.fail('bug: nobody told it to stop'))]);
    } finally {
      stop.abort();
      await working;
    }
    assert.ok(rounds > 0);
    await this.assertUnharmed();
    return result;
  }

  /** Both processes are those of the start, no larger than they may be, and have all that they had. */
  async assertUnharmed(): Promise<void> {
    const { gateway, serving } = this;
    assert.deepEqual([gateway.process.exitCode, gateway.process.signalCode], [null, null], gateway.log);
    await this.#work();
    const { agent } = serving;
    assert.deepEqual([agent.process.exitCode, agent.process.signalCode], [null, null], agent.log);
    assert.deepEqual(await this.#bystanders(), this.#before);
    const peakKb = gateway.memoryKb('VmHWM');
    assert.ok(peakKb < MEMORY_MAX_KB, `the gateway had ${peakKb} kB of memory`);
    for (const log of [gateway.log, serving.agent.log]) assert.doesNotMatch(log, TROUBLE);
  }

  /** Nothing that an attack has opened is open any more, and no packet was lost. Ends all. */
  async finish(): Promise<void> {
    const { gateway, serving } = this;
    try {
      await this.assertUnharmed();
      await this.#untilClosed(serving.agent.pid, this.#agentDescriptors);
      await this.#untilClosed(gateway.pid, this.#gatewayDescriptors);
      await serving.assertNothingLost();
    } finally {
      // Else they would keep the test from its end.
      await this[Symbol.asyncDispose]();
    }
  }

  /** One round of the client that does its work, when those before have ended. */
  #work(): Promise<void> {
    const round = this.#lastRound.then(() => this.#workOnce());
    this.#lastRound = round.catch(() => undefined);
    return round;
  }

  /** A route that was not there is there. */
  async #workOnce(): Promise<void> {
    const label = `round ${++this.#round}`;
    await apply(this.#client, { table: TABLE, owner: 'worker', changes: [put(route('239.200.0.1', { label }))] });
    const { entries } = await list(this.#client, { table: TABLE, filter: { owner: 'worker' } });
    assert.deepEqual(
      entries.map(({ resource }) => resource?.mroute?.label),
      [label],
    );
  }

  /** Waits until a process has no more descriptors than that. */
  async #untilClosed(pid: number, count: number): Promise<void> {
    try {
      const isSo = () => (descriptorsOf(pid).length <= count ? true : undefined);
      await eventually(isSo, `${count} descriptors again`, CLEAN_LIMIT_MS);
    } catch (error) {
      throw new Error(`${this.gateway.pid === pid ? 'the gateway' : 'the agent'} has ${descriptorsOf(pid).join(' ')}`, {
        cause: error,
      });
    }
  }

  /** Entries of the routes that carry the streams, as the agent itself tells. */
  async #bystanders(): Promise<unknown> {
    return (await list(this.serving.client, { filter: { owner: 'bystander' } })).entries;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    this.gateway[Symbol.dispose]();
    await this.serving[Symbol.asyncDispose]();
  }
}

/** Lines of a log that say error, or worse. */
const TROUBLE = /"level":"?(?:50|60|error|fatal)/;

/** What is open, such as `socket:[1234]`. An agent opens files of its history as it needs them. */
export function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  const open = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`);
    } catch {
      return '/closed';
    }
  });
  return open.filter((what) => !what.startsWith('/'));
}
