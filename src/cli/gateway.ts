// A gateway of this host or another, and its services.
import { checkServerIdentity, createSecureContext } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, connectivityState, credentials } from '@grpc/grpc-js';
import { type GatewayConnection, connectToGateway } from '../api/client.js';
import type { GatewayServiceClient } from '../api/generated/mcroute/v1/GatewayService.js';
import type { RoutingServiceClient } from '../api/generated/mcroute/v1/RoutingService.js';
import type { TableServiceClient } from '../api/generated/mcroute/v1/TableService.js';
import { ApiError } from '../api/status.js';
import { type Channel, type Server, openChannel } from './channel.js';
import { explainFinding } from './remote/explain.js';
import { type HostAddress, authorityOf } from './remote/host-address.js';
import { type ProbeTarget, probe, sniOf, wantedName } from './remote/probe.js';
import type { TlsMaterial } from './remote/tls-files.js';

/** The gateway itself, as a program that can be asked. */
export type Gateway = Channel<GatewayServiceClient>;

/** All services of a gateway, over one connection. */
export interface GatewayChannels extends Disposable {
  readonly routing: Channel<RoutingServiceClient>;
  readonly tables: Channel<TableServiceClient>;
  readonly gateway: Gateway;
}

/** Time that a connection may take, in ms, and a look at what hinders it. */
const CONNECT_MS = 10_000;
const PROBE_MS = 5_000;

/** What is sent as the name of a server that is known by its address only. */
const NO_NAME = 'mcroute-gateway';

/**
 * Opens the connection; the gateway is tried with the first call. `why` tells where the host comes from, if nobody has just
 * typed it.
 */
export function openGateway(
  address: HostAddress,
  tls: TlsMaterial,
  timeoutMs: number,
  why?: string,
  explain?: Server['explain'],
): GatewayChannels {
  const connection = connectionTo(address, tls);
  const server: Server = {
    path: address.text,
    noun: 'a gateway',
    lateCure: 'the gateway or the agent is busy or hangs: try again, with more time (--timeout SECONDS)',
    unavailable: (text, cause) =>
      new ApiError('AGENT_UNAVAILABLE', `no gateway answers at ${address.text}: ${text}`, {
        metadata: { cure: [...localCure(address), ...(why === undefined ? [] : [why])].join('\n') },
        cause,
      }),
    ...(explain !== undefined && { explain }),
    ...(address.kind === 'tcp' && { remote: remoteOf(address, tls, connection, Math.min(timeoutMs, CONNECT_MS), why) }),
  };
  const { routing, tables, gateway } = connection;
  const channelOf = <Client>(client: Client) =>
    openChannel({ client, [Symbol.dispose]: () => undefined }, server, timeoutMs);
  return {
    routing: channelOf(routing),
    tables: channelOf(tables),
    gateway: channelOf(gateway),
    [Symbol.dispose]: () => {
      connection[Symbol.dispose]();
    },
  };
}

function localCure(address: HostAddress): string[] {
  return address.kind === 'unix' ? ['see whether it runs: systemctl status mcroute'] : ['try again'];
}

function connectionTo(address: HostAddress, tls: TlsMaterial): GatewayConnection {
  if (address.kind === 'unix') return connectToGateway(`unix:${address.path}`, credentials.createInsecure());
  const target = `dns:${authorityOf(address)}`;
  if (address.isPlain) return connectToGateway(target, credentials.createInsecure());
  const name = wantedName({ name: address.name, tls });
  const { channelCredentials, options } = secureChannel(name, tls);
  return connectToGateway(target, channelCredentials, options);
}

function secureChannel(
  name: string,
  { ca, cert, key }: TlsMaterial,
): { readonly channelCredentials: ChannelCredentials; readonly options: ChannelOptions } {
  const context = createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: 'TLSv1.3',
  });
  const sni = sniOf(name);
  // grpc-js takes the host for the SNI, which an address cannot be. The certificate has to have the address all the same.
  return {
    channelCredentials: credentials.createFromSecureContext(context, {
      checkServerIdentity: (_sent, peer) => checkServerIdentity(name, peer),
    }),
    options: { 'grpc.ssl_target_name_override': sni ?? NO_NAME },
  };
}

function remoteOf(
  address: HostAddress & { readonly kind: 'tcp' },
  tls: TlsMaterial,
  { routing }: GatewayConnection,
  limitMs: number,
  why: string | undefined,
): NonNullable<Server['remote']> {
  const target: ProbeTarget = { name: address.name, port: address.port, tls: address.isPlain ? undefined : tls };
  const diagnose = async (probeMs = PROBE_MS) => explainFinding(await probe(target, probeMs), target, why, new Date());
  const channel = routing.getChannel();
  const isConnected = (deadline: Date) =>
    new Promise<boolean>((resolve) => {
      const look = () => {
        const state = channel.getConnectivityState(true);
        if (state === connectivityState.IDLE || state === connectivityState.CONNECTING) {
          channel.watchConnectivityState(state, deadline, (error) => {
            if (error === undefined) look();
            else resolve(false);
          });
        } else {
          resolve(state === connectivityState.READY);
        }
      };
      look();
    });
  return {
    connect: async () => {
      if (await isConnected(new Date(Date.now() + limitMs))) return;
      const error = await diagnose(Math.min(limitMs, PROBE_MS));
      // If nothing is wrong any more the call itself will tell.
      if (error !== undefined) throw error;
    },
    diagnose,
  };
}
