// A program of the tests: a host in a network namespace of its own. It takes orders as lines of JSON on its standard
// input and answers each with a line; datagrams that it receives are lines too.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What a host can be told. Its interface is eth0; `source` is one of its addresses. */
export type HostOrder =
  | {
      readonly order: 'send';
      readonly source: string;
      readonly groups: readonly string[];
      readonly texts: readonly string[];
    }
  | { readonly order: 'join'; readonly address: string; readonly group: string };

/** What a host says. */
export type HostReport =
  { readonly report: 'done' } | { readonly report: 'datagram'; readonly source: string; readonly text: string };

const PORT = 5000;
const INTERFACE = '::%eth0';
/** More than one router on the way. */
const TTL = 16;

/** Of each family at most one. */
const receivers = new Map<string, Socket>();

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as HostOrder;
  if (order.order === 'send') await send(order.source, order.groups, order.texts);
  else await join(order.address, order.group);
  say({ report: 'done' });
}
for (const receiver of receivers.values()) receiver.close();

/** Sends each text to each group. */
async function send(source: string, groups: readonly string[], texts: readonly string[]): Promise<void> {
  const socket = createSocket(socketType(source));
  socket.bind({ address: source });
  await once(socket, 'listening');
  socket.setMulticastTTL(TTL);
  socket.setMulticastInterface(isIpv6(source) ? INTERFACE : source);
  for (const group of groups) {
    for (const text of texts) await sendOne(socket, group, text);
  }
  socket.close();
}

function sendOne(socket: Socket, group: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(text, PORT, group, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

async function join(address: string, group: string): Promise<void> {
  const receiver = receivers.get(socketType(group)) ?? (await openReceiver(group));
  receiver.addMembership(group, isIpv6(group) ? INTERFACE : address);
}

async function openReceiver(group: string): Promise<Socket> {
  // Both families have the port.
  const socket = createSocket({ type: socketType(group), ipv6Only: isIpv6(group) });
  socket.on('message', (text, from) => {
    say({ report: 'datagram', source: from.address, text: text.toString() });
  });
  socket.bind(PORT);
  await once(socket, 'listening');
  receivers.set(socketType(group), socket);
  return socket;
}

function say(report: HostReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function socketType(group: string): 'udp4' | 'udp6' {
  return isIpv6(group) ? 'udp6' : 'udp4';
}
