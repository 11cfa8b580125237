// All of proto/ with its descriptors, for the reflection service.
import { type PackageDefinition, loadSync } from '@grpc/proto-loader';
import { treeFile } from '../runtime/tree.js';

const PROTO_FILES = [
  'mcroute/v1/routing_service.proto',
  'mcroute/v1/table_service.proto',
  'mcroute/v1/gateway_service.proto',
  'mcroute/v1/error_reason.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
];

/** Reads the files. */
export function readDescriptors(): PackageDefinition {
  return loadSync(PROTO_FILES, { includeDirs: [treeFile('proto')] });
}
