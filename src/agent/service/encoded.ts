// Streams whose messages are encoded by hand: what is written to them are bytes.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { RoutingServiceDefinition } from '../../api/generated/mcroute/v1/RoutingService.js';

/** A stream that takes encoded messages. */
export type EncodedCall = ServerWritableStream<unknown, Buffer>;

/** The call of a method of `servingBytes`, as it is. */
export function encodedCall<Request, Response>(call: ServerWritableStream<Request, Response>): EncodedCall {
  return call as unknown as EncodedCall;
}

/** The service of proto/ with streams that take encoded messages. */
export function servingBytes(definition: RoutingServiceDefinition): RoutingServiceDefinition {
  const { List, ListMfc, Watch } = definition;
  return {
    ...definition,
    List: { ...List, responseSerialize: bytesOf },
    ListMfc: { ...ListMfc, responseSerialize: bytesOf },
    Watch: { ...Watch, responseSerialize: bytesOf },
  };
}

/** The serializer of messages that are bytes already. */
export function bytesOf(message: unknown): Buffer {
  if (Buffer.isBuffer(message)) return message;
  throw new TypeError('bug: a message is not encoded');
}
