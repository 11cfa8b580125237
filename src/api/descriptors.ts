// All of proto/ with its descriptors, for the reflection service.
import { type PackageDefinition, loadSync } from '@grpc/proto-loader';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { treeFile } from '../runtime/tree.js';

const PROTO_FILES = [
  'mcroute/v1/routing_service.proto',
  'mcroute/v1/table_service.proto',
  'mcroute/v1/gateway_service.proto',
  'mcroute/v1/error_reason.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
];

/**
 * What each file that the loader makes of a package needs of others. It leaves that out
 * (https://github.com/grpc/grpc-node/issues/2595), and clients that link what they get refuse it then.
 */
const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  'mcroute_v1.proto': ['google_rpc.proto', 'google_protobuf.proto'],
  'google_rpc.proto': ['google_protobuf.proto'],
};

/** Reads the files. */
export function readDescriptors(): PackageDefinition {
  const definition = loadSync(PROTO_FILES, { includeDirs: [treeFile('proto')], keepCase: true });
  const mended = new Map<Buffer, Buffer>();
  for (const described of Object.values(definition)) {
    if (!Array.isArray(described.fileDescriptorProtos)) continue;
    described.fileDescriptorProtos = described.fileDescriptorProtos.map((file) => {
      const known = mended.get(file) ?? mend(file);
      mended.set(file, known);
      return known;
    });
  }
  return definition;
}

function mend(bytes: Buffer): Buffer {
  const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as FileMessage;
  file.dependency = [...(DEPENDENCIES[file.name] ?? [])];
  for (const { field, nestedType } of file.messageType) {
    for (const entry of nestedType.filter(({ options }) => options?.mapEntry === true)) {
      // The loader names it without the word that protoc and all who check it want at the end.
      for (const one of field.filter(({ typeName }) => typeName === entry.name)) one.typeName += MAP_ENTRY;
      entry.name += MAP_ENTRY;
    }
  }
  return Buffer.from(descriptor.FileDescriptorProto.encode(file as object).finish());
}

/** The end of the name of a map's message. */
const MAP_ENTRY = 'Entry';

/** What of FileDescriptorProto is looked at. */
interface FileMessage {
  name: string;
  dependency: string[];
  messageType: {
    readonly field: { typeName: string }[];
    readonly nestedType: { name: string; readonly options: { readonly mapEntry?: boolean } | null }[];
  }[];
}
