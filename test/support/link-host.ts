// A host on a link: what it sees of IGMP, MLD, router discovery and streams, and what it sends.
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { installTree } from './install-tree.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { waitForEvent } from './wait.js';

/** A message of IGMP or ICMPv6 that came in. */
export interface SeenMessage {
  readonly kind: 'message';
  readonly source: string;
  readonly destination: string;
  readonly hopLimit: number;
  readonly routerAlert: boolean;
  /** Its checksums are right. */
  readonly isValid: boolean;
  readonly type: number;
  /** In hexadecimal digits. */
  readonly payload: string;
  /** The hardware address of its sender, in hexadecimal digits. */
  readonly fromInterface: string;
}

/** A datagram to a group that came in, joined or not. */
export interface SeenDatagram {
  readonly kind: 'datagram';
  readonly group: string;
  readonly text: string;
}

type Line = SeenMessage | SeenDatagram | { readonly kind: 'ready' | 'done' };

export async function openLinkHost(namespace: Namespace, interfaceName: string): Promise<LinkHost> {
  const host = new LinkHost(namespace, interfaceName);
  await host.ready;
  return host;
}

/** It ends with its namespace. */
export class LinkHost {
  readonly ready: Promise<unknown>;
  readonly messages: SeenMessage[] = [];
  readonly datagrams: SeenDatagram[] = [];
  readonly #child: ChildProcess;
  readonly #news = new EventEmitter();

  constructor(namespace: Namespace, interfaceName: string) {
    const program = join(installTree(), 'test/support/link-host.py');
    this.#child = namespace.spawn('python3', [program, interfaceName], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: plainEnvironment(),
    });
    if (this.#child.stdout === null) throw new Error('a pipe was asked for');
    this.ready = waitForEvent(this.#news, 'ready');
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      if (line.kind === 'message') this.messages.push(line);
      if (line.kind === 'datagram') this.datagrams.push(line);
      this.#news.emit(line.kind, line);
    });
  }

  /** Joins a group, until the end. */
  async join(group: string): Promise<void> {
    await this.#obey({ do: 'join', group });
  }

  async sendDatagrams(group: string, ...texts: readonly string[]): Promise<void> {
    await this.#obey({ do: 'datagrams', group, texts });
  }

  /** A message with a router alert; that of ICMPv6 gets its checksum. */
  async sendMessage(source: string, destination: string, payload: Uint8Array, hopLimit = 1): Promise<void> {
    const digits = Buffer.from(payload).toString('hex');
    await this.#obey({ do: 'message', source, destination, payload: digits, hopLimit });
  }

  /** The first message that the predicate accepts, of those that were seen and those to come. */
  async message(accepts: (message: SeenMessage) => boolean): Promise<SeenMessage> {
    return this.messages.find(accepts) ?? (await waitForEvent(this.#news, 'message', accepts));
  }

  /** A message that is not seen yet. */
  async nextMessage(accepts: (message: SeenMessage) => boolean): Promise<SeenMessage> {
    return waitForEvent(this.#news, 'message', accepts);
  }

  async datagram(text: string): Promise<SeenDatagram> {
    const isIt = (datagram: SeenDatagram) => datagram.text === text;
    return this.datagrams.find(isIt) ?? (await waitForEvent(this.#news, 'datagram', isIt));
  }

  async #obey(command: unknown): Promise<void> {
    const done = waitForEvent(this.#news, 'done');
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    await done;
  }
}
