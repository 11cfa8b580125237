// Streams whose messages are encoded by hand: what is written to them are bytes.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ModifyRequest__Output } from '../../api/generated/mcroute/v1/ModifyRequest.js';
import type { RoutingServiceDefinition } from '../../api/generated/mcroute/v1/RoutingService.js';

/** A stream that takes encoded messages. */
export type EncodedCall = ServerWritableStream<unknown, Buffer>;

/** The call of a method of `servingBytes`, as it is. */
export function encodedCall<Request, Response>(call: ServerWritableStream<Request, Response>): EncodedCall {
  return call as unknown as EncodedCall;
}

/** The service of proto/ with streams that take encoded messages; those of Modify also give undecoded ones. */
export function servingBytes(definition: RoutingServiceDefinition): RoutingServiceDefinition {
  const { List, ListMfc, Modify, Watch } = definition;
  return {
    ...definition,
    List: { ...List, responseSerialize: bytesOf },
    ListMfc: { ...ListMfc, responseSerialize: bytesOf },
    Modify: { ...Modify, requestDeserialize: undecoded, responseSerialize: bytesOf },
    Watch: { ...Watch, responseSerialize: bytesOf },
  };
}

/** The serializer of messages that are bytes already. */
export function bytesOf(message: unknown): Buffer {
  if (Buffer.isBuffer(message)) return message;
  throw new TypeError('bug: a message is not encoded');
}

/** The deserializer of messages that are decoded when it is their turn: their bytes are much smaller. */
function undecoded(bytes: Buffer): ModifyRequest__Output {
  return bytes as unknown as ModifyRequest__Output;
}
