// Makes the types of the API and what encodes its messages (src/api/generated) from proto/, unless they are of these files already.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codecModule } from './codec.mjs';

const ROOT = join(import.meta.dirname, '..');
const TARGET = join(ROOT, 'src/api/generated');
// Beside the target, so that it can be renamed to it; the dot hides it from tsc.
const FRESH = join(ROOT, 'src/api/.generated');
const STAMP = '.stamp';

const FILES = [
  'mcroute/v1/routing_service.proto',
  'mcroute/v1/table_service.proto',
  'mcroute/v1/gateway_service.proto',
  'mcroute/v1/relay.proto',
  'google/rpc/error_details.proto',
  'google/rpc/status.proto',
];

const OPTIONS = [
  '--grpcLib=@grpc/grpc-js',
  '--importFileExtension=.js',
  '--longs=String',
  '--enums=String',
  '--defaults',
  '--oneofs',
  '--includeComments',
];

const stamp = hashInputs();
const old = join(TARGET, STAMP);
if (!existsSync(old) || readFileSync(old, 'utf8') !== stamp) {
  rmSync(FRESH, { recursive: true, force: true });
  mkdirSync(FRESH, { recursive: true });
  const generator = join(ROOT, 'node_modules/.bin/proto-loader-gen-types');
  execFileSync(generator, [...OPTIONS, '-I', 'proto', '-O', FRESH, ...FILES], { cwd: ROOT, stdio: 'inherit' });
  writeFileSync(join(FRESH, 'codec.ts'), codecModule(join(ROOT, 'proto'), FILES));
  writeFileSync(join(FRESH, STAMP), stamp);
  rmSync(TARGET, { recursive: true, force: true });
  renameSync(FRESH, TARGET);
}

function hashInputs() {
  const hash = createHash('sha256').update(JSON.stringify([OPTIONS, FILES]));
  const generators = ['@grpc/proto-loader', 'protobufjs'].map((name) => `node_modules/${name}/package.json`);
  for (const file of [...generators, 'scripts/codec.mjs']) hash.update(readFileSync(join(ROOT, file)));
  const protos = readdirSync(join(ROOT, 'proto'), { recursive: true }).filter((file) => file.endsWith('.proto'));
  for (const file of protos.sort()) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, 'proto', file)));
  return hash.digest('hex');
}
