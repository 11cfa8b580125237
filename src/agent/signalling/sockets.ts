// The sockets through which IGMP and ICMPv6 go out and come in. mcroute-launch opens them, for that needs CAP_NET_RAW.
import { FAMILIES, type Address, type Family, isUnspecified } from '../../model/address.js';
import type { NativeAddon, NativeFamily, PacketSocket, SignallingSocket } from '../kernel/native.js';
import { encodeIgmpPacket, ethernetGroup } from './ipv4-packet.js';
import type { IncomingMessage, OutgoingMessage } from './machine.js';

/** Names under which the sockets are handed over: of each family, and the one below IP. */
export const SIGNALLING_SOCKET_NAME: Readonly<Record<Family, string>> = { ipv4: 'igmp4', ipv6: 'icmp6' };
export const PACKET_SOCKET_NAME = 'packet';

/** Messages that are read before others have their turn. */
const BATCH = 64;

/** Ethertype of IPv4. */
const ETHERTYPE_IPV4 = 0x0800;

const NATIVE_FAMILY: Readonly<Record<Family, NativeFamily>> = { ipv4: 4, ipv6: 6 };

/** What `openSignallingSockets` was given and what it gave. */
export interface SignallingSockets {
  /** Families that there is a socket for. */
  readonly families: readonly Family[];
  /** Whether IPv4 messages can have the source 0.0.0.0. */
  readonly canBeUnspecified: boolean;
  /** Lets messages of these types in, and calls for each. */
  listen(
    family: Family,
    types: readonly number[],
    onMessage: (ifindex: number, message: IncomingMessage) => void,
  ): void;
  /** Throws a system error when the kernel refuses. */
  send(ifindex: number, source: Address, message: OutgoingMessage): void;
  close(): void;
}

/** Picks those with the names above out of what was handed over. */
export function signallingSockets<Named extends { readonly name: string }>(fds: readonly Named[]): Named[] {
  const names = new Set([...Object.values(SIGNALLING_SOCKET_NAME), PACKET_SOCKET_NAME]);
  return fds.filter(({ name }) => names.has(name));
}

/** Takes those of the descriptors that have the names above; they are closed with what is returned. */
export function adoptSignallingSockets(
  addon: Pick<NativeAddon, 'adoptSignallingSocket' | 'adoptPacketSocket'>,
  fds: readonly { readonly name: string; readonly fd: number }[],
): SignallingSockets {
  const fdOf = (name: string) => fds.find((named) => named.name === name)?.fd;
  const sockets = new Map<Family, SignallingSocket>();
  for (const family of FAMILIES) {
    const fd = fdOf(SIGNALLING_SOCKET_NAME[family]);
    if (fd !== undefined) sockets.set(family, addon.adoptSignallingSocket(NATIVE_FAMILY[family], fd));
  }
  const packetFd = fdOf(PACKET_SOCKET_NAME);
  const packet = packetFd === undefined ? undefined : addon.adoptPacketSocket(packetFd);
  return {
    families: [...sockets.keys()],
    canBeUnspecified: packet !== undefined,
    listen: (family, types, onMessage) => {
      const socket = sockets.get(family);
      socket?.acceptTypes(types);
      socket?.onReadable(() => {
        receiveBatch(socket, family, onMessage);
      });
    },
    send: (ifindex, source, message) => {
      const { family } = message.destination;
      if (packet !== undefined && family === 'ipv4' && isUnspecified(source))
        sendBelowIp(packet, ifindex, source, message);
      else required(sockets, family).send(ifindex, toWords(source), toWords(message.destination), message.payload);
    },
    close: () => {
      for (const socket of sockets.values()) socket.close();
      packet?.close();
    },
  };
}

function required(sockets: ReadonlyMap<Family, SignallingSocket>, family: Family): SignallingSocket {
  const socket = sockets.get(family);
  if (socket === undefined) throw new Error(`there is no socket for messages of ${family}`);
  return socket;
}

function receiveBatch(
  socket: SignallingSocket,
  family: Family,
  onMessage: (ifindex: number, message: IncomingMessage) => void,
): void {
  for (let count = 0; count < BATCH; count++) {
    const received = socket.receive();
    if (received === undefined) return;
    const { ifindex, hopLimit, payload } = received;
    onMessage(ifindex, { source: toAddress(family, received.source), hopLimit, payload });
  }
}

/** The kernel would put an address of another interface in the place of 0.0.0.0 (ip_route_output_key_hash_rcu). */
function sendBelowIp(packet: PacketSocket, ifindex: number, source: Address, message: OutgoingMessage): void {
  const bytes = encodeIgmpPacket(source, message.destination, message.payload);
  packet.send(ifindex, ETHERTYPE_IPV4, ethernetGroup(message.destination), bytes);
}

function toWords({ words }: Address): Uint32Array {
  const four = new Uint32Array(4);
  four.set(words);
  return four;
}

function toAddress(family: Family, words: Uint32Array): Address {
  return { family, words: [...(family === 'ipv4' ? words.subarray(0, 1) : words)] };
}
