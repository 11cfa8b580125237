// Recorded datagrams, and a netlink socket whose other end is the test.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetlinkSocket } from '../../src/agent/kernel/native.js';
import { LITTLE_ENDIAN } from '../../src/agent/netlink/bytes.js';
import { type NetlinkMessage, encodeMessage, parseDatagram } from '../../src/agent/netlink/message.js';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/netlink');

/** Why recorded bytes cannot be read on this machine; false where they can. */
export const skipRecorded = LITTLE_ENDIAN ? false : 'recorded on a little-endian machine';

/** The datagrams of a file that scripts/record-netlink.py made. */
export function readDatagrams(name: string): readonly Uint8Array[] {
  const text = readFileSync(join(FIXTURES, `${name}.hex`), 'latin1').replace(/^#.*\n/gm, '');
  return text.split('\n\n').map((block) => Uint8Array.from(Buffer.from(block.replace(/\n/g, ''), 'hex')));
}

/** The messages of such a file, in order. */
export function readMessages(name: string): readonly NetlinkMessage[] {
  return readDatagrams(name).flatMap(parseDatagram);
}

/** What `parse` knows of the messages of such a file. */
export function parseRecorded<T>(name: string, parse: (message: NetlinkMessage) => T | undefined): readonly T[] {
  return readMessages(name)
    .map(parse)
    .filter((value) => value !== undefined);
}

/** A message as the kernel would send it. */
export function message(type: number, payload: Uint8Array = new Uint8Array(0), flags = 0): NetlinkMessage {
  return { type, flags, sequence: 0, portId: 0, payload };
}

/** The address of the fake socket. */
export const PORT_ID = 4242;

/** What a fake socket receives next: a datagram, or the code of an error. */
export type Incoming = Uint8Array | 'ENOBUFS' | 'EMSGSIZE' | 'EIO';

/** A socket whose other end is the test. */
export class FakeNetlinkSocket implements NetlinkSocket {
  readonly fd = -1;
  readonly portId = PORT_ID;
  readonly sent: NetlinkMessage[] = [];
  readonly groups: number[] = [];
  readonly incoming: Incoming[] = [];
  acceptedTypes: readonly number[] = [];
  acceptedTables: readonly number[] | undefined;
  isClosed = false;
  /** A group that cannot be joined. */
  refusedGroup: number | undefined;
  /** Told of each request, to fill `incoming`. */
  onRequest: (request: NetlinkMessage) => void = () => undefined;
  #onReadable: () => void = () => undefined;

  acceptTypes(types: readonly number[], tables?: readonly number[]): void {
    this.acceptedTypes = types;
    this.acceptedTables = tables;
  }

  joinGroup(group: number): void {
    if (group === this.refusedGroup) throw new Error('refused');
    this.groups.push(group);
  }

  send(bytes: Uint8Array): void {
    for (const request of parseDatagram(bytes)) {
      this.sent.push(request);
      this.onRequest(request);
    }
  }

  receive(): Uint8Array | undefined {
    const next = this.incoming.shift();
    if (typeof next === 'string') throw Object.assign(new Error(next), { code: next });
    return next;
  }

  onReadable(callback: () => void): void {
    this.#onReadable = callback;
  }

  close(): void {
    this.isClosed = true;
  }

  /** As the event loop would when datagrams wait. */
  wake(): void {
    this.#onReadable();
  }
}

/** A datagram with its messages addressed as the answer to a request. */
export function addressed(datagram: Uint8Array, sequence: number, portId = PORT_ID): Uint8Array {
  return Buffer.concat(parseDatagram(datagram).map((part) => encodeMessage({ ...part, sequence, portId })));
}
