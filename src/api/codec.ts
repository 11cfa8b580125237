// Messages as bytes: the generated functions, with the options that decide what messages look like in JavaScript. They are
// those with which the types of generated/ are made (scripts/generate.mjs).
import type { ServiceDefinition } from '@grpc/grpc-js';
import { encodeApply, encodeReplace } from './request-encoder.js';

/** The functions of a message, as protobufjs makes them; they call each other, and so must be called as methods. */
export interface MessageCodec {
  readonly name: string;
  /** From any object that has the fields. */
  fromObject(value: object): object;
  encode(message: object): { finish(): Uint8Array };
  /** Throws an error if the bytes are no such message. */
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: object): object;
}

export interface MethodCodec {
  readonly path: string;
  readonly request: MessageCodec;
  readonly response: MessageCodec;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** A message in the two forms that grpc-js asks for. */
export interface MessageForms<Message, Output> {
  readonly serialize: (message: Message) => Buffer;
  readonly deserialize: (bytes: Buffer) => Output;
}

const OPTIONS = { longs: String, enums: String, defaults: true, oneofs: true };

/** Encoders of our own, for what may be large; where they give nothing the generated one is asked. */
const OWN_ENCODERS: Readonly<Record<string, (message: object) => Buffer | undefined>> = {
  ApplyRequest: encodeApply,
  ReplaceRequest: encodeReplace,
};

export function formsOf<Message extends object, Output>(codec: MessageCodec): MessageForms<Message, Output> {
  const encodeOwn = OWN_ENCODERS[codec.name];
  return {
    serialize: (message) => {
      if (Array.isArray(message)) throw new TypeError(`a ${codec.name} is no array`);
      // protobufjs writes into a Buffer where there are Buffers.
      return encodeOwn?.(message) ?? (codec.encode(codec.fromObject(message)).finish() as Buffer);
    },
    deserialize: (bytes) => codec.toObject(codec.decode(bytes), OPTIONS) as Output,
  };
}

/** A service as grpc-js serves it and calls it. */
export function definitionOf(methods: Readonly<Record<string, MethodCodec>>): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(methods).map(([name, { path, request, response, requestStream, responseStream }]) => {
      const [asked, answered] = [formsOf(request), formsOf(response)];
      const definition = {
        path,
        requestStream,
        responseStream,
        requestSerialize: asked.serialize,
        requestDeserialize: asked.deserialize,
        responseSerialize: answered.serialize,
        responseDeserialize: answered.deserialize,
        // The name that clients call and servers implement it by.
        originalName: name.charAt(0).toLowerCase() + name.slice(1),
      };
      return [name, definition];
    }),
  );
}
