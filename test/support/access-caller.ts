// Calls of any method by one identity, as the wire has them: messages out, messages in, and how it ended.
import { type ChannelOptions, Client, type MethodDefinition, type ServiceError, credentials } from '@grpc/grpc-js';
import { CHANNEL_OPTIONS, deadlineAfter } from '../../src/api/client.js';
import { definitionOf } from '../../src/api/codec.js';
import { SERVICES } from '../../src/api/generated/codec.js';
import { type ApiError, fromServiceError } from '../../src/api/status.js';
import type { Issued } from './certificates.js';

/** Longest call on a loaded machine: agents are started in some. */
const CALL_LIMIT_MS = 30_000;

/** How a call ended. */
export interface Outcome {
  readonly responses: readonly object[];
  /** Undefined: well. */
  readonly error: ApiError | undefined;
}

export interface CallOptions {
  /** The call ends by itself only when it is refused: it is cancelled after its first message. */
  readonly isEndless?: boolean;
}

/** A call that goes on. */
export interface OpenCall {
  /** Resolves with its first message. */
  readonly begun: Promise<void>;
  readonly cancel: () => void;
}

/** All methods of proto/ by their short names, such as `RoutingService.Apply`. */
export const METHODS: ReadonlyMap<string, MethodDefinition<object, object>> = new Map(
  Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.entries(definitionOf(methods)).map(
      ([name, definition]) => [`${service.slice(service.lastIndexOf('.') + 1)}.${name}`, definition] as const,
    ),
  ),
);

/** One who calls, on a connection that no other has. Disposing of it closes that. */
export class AccessCaller implements Disposable {
  readonly #client: Client;

  /** @param issued undefined: it shows no certificate. */
  constructor(target: string, ca: Issued, issued: Issued | undefined) {
    const bytes = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
    const secure = credentials.createSsl(bytes(ca.certificate), bytes(issued?.key), bytes(issued?.certificate));
    const options: ChannelOptions = { ...CHANNEL_OPTIONS, 'grpc.use_local_subchannel_pool': 1 };
    this.#client = new Client(target, secure, options);
  }

  /** Calls a method, such as `RoutingService.Apply`, and sends the messages. */
  call(method: string, requests: readonly object[], { isEndless = false }: CallOptions = {}): Promise<Outcome> {
    const definition = METHODS.get(method);
    if (definition === undefined) throw new Error(`there is no method ${method}`);
    const { path, requestSerialize, responseDeserialize } = definition;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, {
      deadline: deadlineAfter(CALL_LIMIT_MS),
    });
    const responses: object[] = [];
    return new Promise((resolve) => {
      call.on('data', (response: object) => {
        responses.push(response);
        if (!isEndless) return;
        resolve({ responses, error: undefined });
        call.cancel();
      });
      call.on('error', (error: ServiceError) => {
        resolve({ responses, error: fromServiceError(error) });
      });
      call.on('end', () => {
        resolve({ responses, error: undefined });
      });
      for (const request of requests) call.write(request);
      call.end();
    });
  }

  /** Begins a call that does not end by itself. */
  open(method: string, request: object): OpenCall {
    const definition = METHODS.get(method);
    if (definition === undefined) throw new Error(`there is no method ${method}`);
    const { path, requestSerialize, responseDeserialize } = definition;
    const call = this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
    const begun = new Promise<void>((resolve, reject) => {
      call.once('data', () => {
        resolve();
      });
      // After its first message it is cancelled by us.
      call.on('error', reject);
    });
    return {
      begun,
      cancel: () => {
        call.cancel();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
