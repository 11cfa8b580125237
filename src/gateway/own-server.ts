// What the gateway serves itself: its own service, health and reflection. To the rest of it this is one more server, to
// which calls are relayed when their callers may make them; it is reached in memory only.
import { type Duplex, duplexPair } from 'node:stream';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ApiError } from '../api/status.js';
import { type Health, addReflection } from '../api/standard-services.js';
import { MESSAGE_MAX } from '../model/limits.js';
import type { Peer } from './peer.js';

/** Says in the headers of a call who makes it. */
const PEER_HEADER = 'mcroute-peer';

/** A caller that was introduced. */
export interface Introduced {
  readonly headers: Readonly<Record<string, string>>;
  readonly forget: () => void;
}

export class OwnServer {
  /** For Upstreams. */
  readonly target = { open: (): Duplex => this.#open() };
  readonly #server: Server;
  readonly #peers = new Map<string, Peer>();
  #introduced = 0;
  #injector: ReturnType<Server['createConnectionInjector']> | undefined;

  constructor(health: Health) {
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': MESSAGE_MAX,
      'grpc.max_send_message_length': -1,
    });
    health.addTo(this.#server);
    addReflection(this.#server);
  }

  add(definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
    this.#server.addService(definition, handlers);
  }

  /** Remembers who makes a call, while it lasts. */
  introduce(peer: Peer): Introduced {
    const name = String(++this.#introduced);
    this.#peers.set(name, peer);
    return {
      headers: { [PEER_HEADER]: name },
      forget: () => {
        this.#peers.delete(name);
      },
    };
  }

  /** Who makes the call with this metadata. */
  callerOf(metadata: Metadata): Peer {
    const peer = this.#peers.get(String(metadata.get(PEER_HEADER)[0] ?? ''));
    // It was cancelled while it was on its way here: nobody reads the answer.
    if (peer === undefined) throw new ApiError('PERMISSION_DENIED', 'the caller has gone');
    return peer;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #open(): Duplex {
    const [ours, theirs] = duplexPair();
    // One for all: the server keeps each that it makes.
    this.#injector ??= this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#injector.injectConnection(theirs);
    return ours;
  }
}
