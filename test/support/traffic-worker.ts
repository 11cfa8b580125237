// Sends and receives test traffic in the namespace it was started in, as its parent says (traffic.ts).
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ReceivedStreams } from './received-streams.js';
import {
  type Command,
  type ReceiveOptions,
  type ReceiveReport,
  type Reply,
  type Request,
  type SendOptions,
  type SendReport,
  TRAFFIC_PORT,
  decodePayload,
  encodePayload,
} from './traffic-protocol.js';

interface Sender {
  /** What has been sent so far. */
  report(): SendReport;
  readonly finished: Promise<SendReport>;
  stop(): void;
}

interface Receiver {
  readonly streams: ReceivedStreams;
  readonly sockets: Socket[];
  readonly port: number;
  /** Looked at after each packet. */
  readonly waiting: Set<{ readonly isMet: () => boolean; readonly resolve: () => void }>;
}

const senders = new Map<number, Sender>();
const receivers = new Map<number, Receiver>();
let lastHandle = 0;

process.on('message', (request: Request) => {
  execute(request.command).then(
    (result) => {
      reply({ id: request.id, result });
    },
    (error: unknown) => {
      reply({ id: request.id, error: error instanceof Error ? error.message : String(error) });
    },
  );
});
process.on('disconnect', () => {
  process.exit();
});

function reply(message: Reply): void {
  process.send?.(message);
}

async function execute(command: Command): Promise<number | SendReport | ReceiveReport | undefined> {
  switch (command.do) {
    case 'send':
      senders.set(++lastHandle, await startSending(command.options));
      return lastHandle;
    case 'receive': {
      const receiver = await startReceiving(command.options);
      receivers.set(++lastHandle, receiver);
      return lastHandle;
    }
    case 'finish-sending':
      return await found(senders, command.handle).finished;
    case 'stop-sending':
      found(senders, command.handle).stop();
      return await found(senders, command.handle).finished;
    case 'report-sending':
      return found(senders, command.handle).report();
    case 'await-packets': {
      const receiver = found(receivers, command.handle);
      await condition(receiver, () => receiver.streams.packets >= command.packets);
      return undefined;
    }
    case 'await-progress': {
      const receiver = found(receivers, command.handle);
      let reached = 0;
      // Streams only go on: what has been reached is not looked at again.
      await condition(receiver, () => {
        for (let next; (next = command.progress[reached]) !== undefined; reached++) {
          if (!receiver.streams.hasReached(next)) return false;
        }
        return true;
      });
      return undefined;
    }
    case 'report':
      return receiveReport(found(receivers, command.handle));
    case 'close': {
      const receiver = found(receivers, command.handle);
      receivers.delete(command.handle);
      for (const socket of receiver.sockets) socket.close();
      return undefined;
    }
  }
}

function found<T>(map: ReadonlyMap<number, T>, handle: number): T {
  const value = map.get(handle);
  if (value === undefined) throw new Error(`there is no sender or receiver ${handle}`);
  return value;
}

async function startReceiving(options: ReceiveOptions): Promise<Receiver> {
  const port = options.port ?? TRAFFIC_PORT;
  const receiver: Receiver = { streams: new ReceivedStreams(), sockets: [], port, waiting: new Set() };
  for (const isVersion6 of [false, true]) {
    const groups = options.groups.filter((group) => isIPv6(group) === isVersion6);
    if (groups.length === 0) continue;
    const socket = openSocket(isVersion6);
    receiver.sockets.push(socket);
    socket.on('message', (payload, sender) => {
      const packet = decodePayload(payload);
      if (packet === undefined) return;
      receiver.streams.add(sender.address, packet.group, packet.number, performance.now());
      for (const waiter of receiver.waiting) if (waiter.isMet()) waiter.resolve();
    });
    socket.bind(port);
    await once(socket, 'listening');
    const local = multicastInterface(options.interface, isVersion6);
    for (const group of groups) {
      if (options.source === undefined) socket.addMembership(group, local);
      else socket.addSourceSpecificMembership(options.source, group, local);
    }
  }
  return receiver;
}

async function condition(receiver: Receiver, isMet: () => boolean): Promise<void> {
  if (isMet()) return;
  await new Promise<void>((resolve) => {
    const waiter = {
      isMet,
      resolve: () => {
        receiver.waiting.delete(waiter);
        resolve();
      },
    };
    receiver.waiting.add(waiter);
  });
}

function receiveReport(receiver: Receiver): ReceiveReport {
  return { streams: receiver.streams.report(), socketDrops: socketDrops(receiver.port) };
}

/** The last column of /proc/net/udp, `drops`, of the sockets with this port. */
function socketDrops(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let drops = 0;
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(suffix) === true) drops += Number(columns.at(-1));
    }
  }
  return drops;
}

async function startSending(options: SendOptions): Promise<Sender> {
  const sockets = new Map<boolean, { socket: Socket; source: string }>();
  for (const isVersion6 of new Set(options.groups.map(isIPv6))) {
    sockets.set(isVersion6, await openSender(options, isVersion6));
  }
  const streams = options.groups.map((group) => {
    const sender = sockets.get(isIPv6(group));
    if (sender === undefined) throw new Error(`no socket for ${group}`);
    return { group, ...sender };
  });
  const total = (options.count ?? Infinity) * streams.length;
  const started = performance.now();
  let sent = 0;
  let inFlight = 0;
  let refused = 0;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const { promise: finished, resolve: finish } = deferred<SendReport>();

  const report = (): SendReport => ({
    streams: streams.map(({ group, source }, index) => ({
      source,
      group,
      sent: Math.floor(sent / streams.length) + (index < sent % streams.length ? 1 : 0),
    })),
    refused,
  });
  const finishIfDone = () => {
    if (inFlight > 0 || !(isStopped || sent >= total)) return;
    isStopped = true;
    for (const { socket } of sockets.values()) socket.close();
    finish(report());
  };
  const sendNext = () => {
    const stream = streams[sent % streams.length];
    if (stream === undefined) throw new Error('there is no group to send to');
    const payload = encodePayload(Math.floor(sent / streams.length), stream.group);
    sent++;
    inFlight++;
    stream.socket.send(payload, options.port ?? TRAFFIC_PORT, stream.group, (error) => {
      inFlight--;
      if (error !== null) refused++;
      finishIfDone();
    });
  };
  const tick = () => {
    const due = Math.min(total, Math.floor(((performance.now() - started) * options.rate) / 1000) + 1);
    for (let burst = 0; sent < due && burst < BURST_MAX; burst++) sendNext();
    if (sent < total) timer = setTimeout(tick, Math.max(1, started + (sent * 1000) / options.rate - performance.now()));
  };
  tick();
  return {
    finished,
    report,
    stop: () => {
      clearTimeout(timer);
      if (isStopped) return;
      isStopped = true;
      finishIfDone();
    },
  };
}

async function openSender(options: SendOptions, isVersion6: boolean): Promise<{ socket: Socket; source: string }> {
  const source = options.source ?? sourceAddress(options.interface, isVersion6);
  const socket = openSocket(isVersion6);
  socket.bind(options.sourcePort ?? 0, source);
  await once(socket, 'listening');
  socket.setMulticastInterface(multicastInterface(options.interface, isVersion6));
  socket.setMulticastTTL(options.ttl ?? 16);
  return { socket, source };
}

function openSocket(isVersion6: boolean): Socket {
  return createSocket({
    type: isVersion6 ? 'udp6' : 'udp4',
    reuseAddr: true,
    ipv6Only: isVersion6,
    // The kernel gives what net.core.rmem_max allows; `socketDrops` tells when that was too little.
    recvBufferSize: RECEIVE_BUFFER,
  });
}

/** As Node wants it: IPv4 interfaces are named by an address of theirs, IPv6 ones by a zone. */
function multicastInterface(name: string, isVersion6: boolean): string {
  return isVersion6 ? `::%${name}` : sourceAddress(name, false);
}

function sourceAddress(name: string, isVersion6: boolean): string {
  const addresses = (networkInterfaces()[name] ?? []).filter(({ family }) => (family === 'IPv6') === isVersion6);
  const [address] = addresses.filter((candidate) => !candidate.address.startsWith('fe80:'));
  if (address === undefined) throw new Error(`${name} is down or has no IPv${isVersion6 ? 6 : 4} address`);
  return address.address;
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: ((value: T) => void) | undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value) => resolve?.(value) };
}

const RECEIVE_BUFFER = 8 * 1024 * 1024;

/** Packets sent in one go when catching up, so that receivers in the same process get their turn. */
const BURST_MAX = 256;
