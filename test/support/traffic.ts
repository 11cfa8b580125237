// Streams of numbered UDP packets between namespaces: one worker process a namespace, any number of streams each.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Namespace } from './namespaces.js';
import type {
  Command,
  Progress,
  ReceiveOptions,
  ReceiveReport,
  ReceivedStream,
  Reply,
  Request,
  SendOptions,
  SendReport,
  SentStream,
} from './traffic-protocol.js';
import { TimeLimitError, WAIT_LIMIT_MS, within } from './wait.js';

/** Starts the worker of a namespace. Dispose of it before its namespace. */
export function openTraffic(namespace: Namespace): Traffic {
  return new Traffic(namespace);
}

/** A worker process; its senders and receivers end with it. */
export class Traffic implements Disposable {
  readonly #worker: ChildProcess;
  readonly #name: string;
  readonly #pending = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(namespace: Namespace) {
    this.#name = namespace.name;
    this.#worker = namespace.spawn(process.execPath, [join(import.meta.dirname, 'traffic-worker.js')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#worker.on('message', (reply: Reply) => {
      this.#pending.get(reply.id)?.resolve(reply);
      this.#pending.delete(reply.id);
    });
    this.#worker.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the traffic worker of ${this.#name} ended`));
      this.#pending.clear();
    });
  }

  /** Joins and receives; resolves when the joins are made. */
  async receive(options: ReceiveOptions): Promise<Receiver> {
    const handle = (await this.#ask({ do: 'receive', options })) as number;
    return {
      awaitPackets: async (packets, limitMs) => {
        await this.#ask({ do: 'await-packets', handle, packets }, limitMs);
      },
      report: async () => (await this.#ask({ do: 'report', handle })) as ReceiveReport,
      collect: async (sent, limitMs = COLLECT_LIMIT_MS) => {
        const progress = sent.streams.filter((stream) => stream.sent > 0).map(lastOf);
        try {
          await this.#ask({ do: 'await-progress', handle, progress }, limitMs);
        } catch (error) {
          // What is late is lost: the report tells it, so it is no error here.
          if (!(error instanceof TimeLimitError)) throw error;
        }
        const report = (await this.#ask({ do: 'report', handle })) as ReceiveReport;
        await this.#ask({ do: 'close', handle });
        return { ...report, streams: countAllLost(report.streams, sent.streams) };
      },
      close: async () => {
        await this.#ask({ do: 'close', handle });
      },
    };
  }

  /** Starts sending; resolves when the first packet has been sent. */
  async send(options: SendOptions): Promise<Sender> {
    const handle = (await this.#ask({ do: 'send', options })) as number;
    const expectedMs = ((options.count ?? 0) * options.groups.length * 1000) / options.rate;
    return {
      finish: async (limitMs = WAIT_LIMIT_MS + 2 * expectedMs) =>
        (await this.#ask({ do: 'finish-sending', handle }, limitMs)) as SendReport,
      report: async () => (await this.#ask({ do: 'report-sending', handle })) as SendReport,
      stop: async () => (await this.#ask({ do: 'stop-sending', handle })) as SendReport,
    };
  }

  [Symbol.dispose](): void {
    this.#worker.removeAllListeners();
    this.#worker.kill('SIGKILL');
    this.#worker.disconnect();
  }

  async #ask(command: Command, limitMs: number = WAIT_LIMIT_MS): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise<Reply>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      const request: Request = { id, command };
      this.#worker.send(request);
    });
    const reply = await within(answer, `${command.do} in ${this.#name}`, limitMs);
    if ('error' in reply) throw new Error(`${command.do} in ${this.#name}: ${reply.error}`);
    return reply.result;
  }
}

export interface Sender {
  /** Waits until the count has been sent. */
  finish(limitMs?: number): Promise<SendReport>;
  /** What has been sent so far. */
  report(): Promise<SendReport>;
  stop(): Promise<SendReport>;
}

export interface Receiver {
  /** Waits until that many packets have arrived, of all streams together. */
  awaitPackets(packets: number, limitMs?: number): Promise<void>;
  /** What has arrived so far. */
  report(): Promise<ReceiveReport>;
  /**
   * Waits for the last packet of each stream that was sent, or for the limit, and closes the receiver. In the report
   * `lost` counts all that was sent and did not arrive; a stream of which nothing arrived is there with `first` and
   * `last` -1.
   */
  collect(sent: SendReport, limitMs?: number): Promise<ReceiveReport>;
  close(): Promise<void>;
}

function lastOf(stream: SentStream): Progress {
  return { source: stream.source, group: stream.group, last: stream.sent - 1 };
}

function countAllLost(received: readonly ReceivedStream[], sent: readonly SentStream[]): ReceivedStream[] {
  const missing = sent.filter(({ source, group }) => !received.some((r) => r.source === source && r.group === group));
  return [
    ...received.map((stream) => {
      const all = sent.find(({ source, group }) => stream.source === source && stream.group === group);
      return all === undefined ? stream : { ...stream, lost: all.sent - stream.received };
    }),
    ...missing.map(({ source, group, sent: lost }) => ({ ...NOTHING, source, group, lost })),
  ];
}

/** On a veth pair a packet is there within microseconds; a loaded machine may take its time. */
const COLLECT_LIMIT_MS = 2_000;

const NOTHING = { received: 0, duplicated: 0, reordered: 0, first: -1, last: -1, longestGapMs: 0 };
