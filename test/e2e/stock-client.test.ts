// A client that shares no code with ours lists, watches and programs a table over mutual TLS: with stubs made from proto/,
// and with nothing but what the gateway says of itself.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AccessHost, startAccessHost } from '../support/access-host.js';
import { issue } from '../support/certificates.js';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { waitForEvent } from '../support/wait.js';

const TABLE = 100;
const IDENTITY = 'spiffe://lab/stock';

/** Debian's, which alone knows Debian's packages: another may come first in the PATH. */
const PYTHON = '/usr/bin/python3';

/** What it does all in all, on a loaded machine. */
const CLIENT_LIMIT_MS = 60_000;

/** What the client prints. */
interface Seen {
  readonly services: readonly string[];
  readonly health: Readonly<Record<string, string>>;
  readonly before: readonly SeenEntry[];
  readonly applied: { readonly added: number; readonly results: readonly { readonly entry: SeenEntry }[] };
  readonly session: readonly SeenResponse[];
  readonly refused: SeenError;
  readonly wrong: SeenError;
  readonly deleted: { readonly removed: number };
  readonly events: readonly string[];
  readonly after: readonly SeenEntry[];
}

interface SeenEntry {
  readonly resource: { readonly mroute: { readonly key: { readonly group: string } } };
  readonly state: string;
}

/** 64-bit numbers are texts, and what has its default is left out. */
interface SeenResponse {
  readonly session?: { readonly is_primary?: boolean };
  readonly results?: readonly { readonly id: string; readonly effect?: string; readonly error?: { code: number } }[];
  readonly added?: number;
  readonly refused?: number;
}

interface SeenError {
  readonly code: string;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
}

let host: AccessHost;
let folder: string;

before(async () => {
  const ca = await issue({ subject: 'CN=Lab CA', isCa: true });
  const names = [{ kind: 'uri', value: IDENTITY }] as const;
  const client = await issue({ subject: 'CN=stock', issuer: ca, usage: 'client', names });
  folder = mkdtempSync('/run/stock-');
  const files = { 'ca.crt': ca.certificate, 'client.crt': client.certificate, 'client.key': client.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  makeStubs(folder);
  host = await startAccessHost({
    ...{ name: 'host', number: 1, family: 'ipv4', tables: [TABLE], ca },
    policy: `rules: [{ identity: "${IDENTITY}", role: operator, tables: [${TABLE}] }]\n`,
  });
});

after(() => {
  host[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The messages that everybody has, which protoc is told of by Debian's Python: their files are in another package. */
const COMMON = 'common.bin';
const WRITE_COMMON = `
import sys
from google.protobuf import any_pb2, descriptor_pb2, duration_pb2, timestamp_pb2
files = descriptor_pb2.FileDescriptorSet()
for module in (any_pb2, duration_pb2, timestamp_pb2):
    module.DESCRIPTOR.CopyToProto(files.file.add())
open(sys.argv[1], "wb").write(files.SerializeToString())
`;

/** Has protoc make Python modules of all that the client may call. */
function makeStubs(to: string): void {
  execFileSync(PYTHON, ['-c', WRITE_COMMON, join(to, COMMON)], { env: plainEnvironment() });
  const own = ['resource', 'routing_service', 'table_service', 'gateway_service'].map(
    (name) => `mcroute/v1/${name}.proto`,
  );
  protoc(projectFile('proto'), to, [...own, 'google/rpc/status.proto', 'google/rpc/error_details.proto']);
  protoc(projectFile('node_modules/grpc-health-check/proto'), to, ['health/v1/health.proto']);
  // Not from its root: a folder `grpc` would hide the package of that name.
  const reflection = 'node_modules/@grpc/reflection/build/proto/grpc/reflection/v1';
  protoc(projectFile(reflection), to, ['reflection.proto']);
}

function protoc(from: string, to: string, files: readonly string[]): void {
  const options = [`--proto_path=${from}`, `--python_out=${to}`, `--grpc_python_out=${to}`];
  const plugin = '--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin';
  execFileSync('protoc', [plugin, `--descriptor_set_in=${join(folder, COMMON)}`, ...options, ...files], {
    env: plainEnvironment(),
  });
}

/** Runs the client to its end. */
async function runClient(kind: 'stubs' | 'reflection', group: string): Promise<Seen> {
  const [ca, certificate, key] = ['ca.crt', 'client.crt', 'client.key'].map((name) => join(folder, name));
  const script = projectFile('test/support/stock-client.py');
  const words = [script, kind, folder, host.target, ca, certificate, key, String(TABLE), group] as string[];
  const child = spawn(PYTHON, words, { env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  try {
    await waitForEvent<number>(child, 'close', () => true, CLIENT_LIMIT_MS);
  } finally {
    child.kill('SIGKILL');
  }
  assert.equal(child.exitCode, 0, errors);
  return JSON.parse(output) as Seen;
}

describe('a client of other code', () => {
  for (const [kind, group] of [
    ['stubs', '239.1.1'],
    ['reflection', '239.1.2'],
  ] as const) {
    it(`lists, watches and programs a table by ${kind}`, async () => {
      const seen = await runClient(kind, group);
      if (kind === 'reflection') {
        for (const name of ['RoutingService', 'TableService', 'GatewayService']) {
          assert.ok(seen.services.includes(`mcroute.v1.${name}`), seen.services.join());
        }
      }
      assert.deepEqual(seen.health, { gateway: 'SERVING', table: 'SERVING' });
      const [first, second] = [`${group}.1`, `${group}.2`];
      assert.equal(seen.applied.added, 1);
      assert.deepEqual(
        seen.applied.results.map(({ entry }) => [entry.resource.mroute.key.group, entry.state]),
        [[first, 'STATE_PROGRAMMED']],
      );
      assert.ok(seen.session.some(({ session }) => session?.is_primary === true));
      const results = seen.session.flatMap(({ results = [] }) => results);
      assert.deepEqual(
        results.map(({ id, effect, error }) => [id, effect, error?.code]),
        [
          ['2', 'EFFECT_ADDED', undefined],
          ['3', undefined, INVALID_ARGUMENT],
        ],
      );
      assert.deepEqual(seen.refused, {
        code: 'PERMISSION_DENIED',
        message: `no rule of the policy gives ${IDENTITY} a right on table 999`,
        reason: 'PERMISSION_DENIED',
        domain: 'mcroute',
      });
      assert.deepEqual([seen.wrong.code, seen.wrong.reason], ['INVALID_ARGUMENT', 'INVALID_FIELD']);
      assert.equal(seen.deleted.removed, 1);
      // Of what has changed again meanwhile only the last state comes: the first rule may not be seen.
      const events = seen.events.filter((event) => event.includes(group) && event !== `+${first}`);
      assert.deepEqual([...new Set(events)].sort(), [`+${second}`, `-${first}`]);
      const [before, after] = [seen.before, seen.after].map((entries) => entries.map(groupOf));
      assert.deepEqual([...(before ?? []), second].sort(), [...(after ?? [])].sort());
      assert.ok(host.forwards(TABLE).includes(`(10.9.0.1, ${second}) in0 -> out1`), host.forwards(TABLE).join('\n'));
      assert.ok(!host.forwards(TABLE).some((entry) => entry.includes(first)));
      await host.audited(({ method, removed }) => method === 'RoutingService.Apply' && removed === 1);
    });
  }
});

/** Of canonical codes. */
const INVALID_ARGUMENT = 3;

function groupOf({ resource }: SeenEntry): string {
  return resource.mroute.key.group;
}
