// The generated functions against proto-loader, which makes its own of the same files at run time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type MethodDefinition, type ServiceDefinition, loadSync } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { definitionOf } from '../../src/api/codec.js';
import { MESSAGES, SERVICES } from '../../src/api/generated/codec.js';
import { installTree } from '../support/install-tree.js';

const PROTO = join(installTree(), 'proto');
const FILES = [
  'mcroute/v1/routing_service.proto',
  'mcroute/v1/table_service.proto',
  'mcroute/v1/gateway_service.proto',
  'mcroute/v1/relay.proto',
];
const OPTIONS = { longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [PROTO] };
/** Messages within messages, beyond which fields stay empty. */
const DEPTH = 4;

const loaded = loadSync(FILES, OPTIONS);
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith('google/protobuf/') ? target : join(PROTO, target));
root.loadSync(FILES).resolveAll();

/** A message with a value in every field; of a oneof in the member of this turn. */
function fill(type: protobuf.Type, turn: number, depth = DEPTH): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    const members = field.partOf?.fieldsArray ?? [field];
    if (members[turn % members.length] !== field) continue;
    const value = valueOf(field, turn, depth);
    if (value === undefined) continue;
    if (field instanceof protobuf.MapField) message[field.name] = { first: value, second: value };
    else message[field.name] = field.repeated ? [value, value] : value;
  }
  return message;
}

function valueOf({ resolvedType, type }: protobuf.Field, turn: number, depth: number): unknown {
  if (resolvedType instanceof protobuf.Type) return depth === 0 ? undefined : fill(resolvedType, turn, depth - 1);
  if (resolvedType instanceof protobuf.Enum) {
    const names = Object.keys(resolvedType.values);
    return names[(turn + 1) % names.length];
  }
  if (type === 'string') return `text ${turn} äö`;
  if (type === 'bytes') return Buffer.from([0, turn, 255]);
  if (type === 'bool') return true;
  // Beyond what a number can hold.
  return type.endsWith('64') ? '9007199254740993' : turn + 3;
}

describe('messages are encoded and decoded as proto-loader does', () => {
  for (const [service, methods] of Object.entries(SERVICES)) {
    const ours = definitionOf(methods);
    const theirs = loaded[service] as ServiceDefinition;
    it(`${service} has the same methods`, () => {
      const shape = ({
        path,
        requestStream,
        responseStream,
        originalName,
      }: Partial<MethodDefinition<object, object>>) => ({
        ...{ path, requestStream, responseStream, originalName },
      });
      const shapes = (definition: Readonly<Record<string, Partial<MethodDefinition<object, object>>>>) =>
        Object.entries(definition).map(([name, method]) => [name, shape(method)]);
      assert.deepEqual(shapes(ours as typeof theirs), shapes(theirs));
    });
    for (const [name, { request, response }] of Object.entries(methods)) {
      it(`${name} of ${service}`, () => {
        const [our, their] = [ours[name], theirs[name]];
        assert.ok(our !== undefined && their !== undefined);
        for (const turn of [0, 1, 2, 3]) {
          const asked = fill(root.lookupType(`mcroute.v1.${request.name}`), turn);
          const bytes = their.requestSerialize(asked);
          assert.deepEqual(our.requestSerialize(asked), bytes);
          assert.deepEqual(our.requestDeserialize(bytes), their.requestDeserialize(bytes));
          const answered = fill(root.lookupType(`mcroute.v1.${response.name}`), turn);
          const reply = their.responseSerialize(answered);
          assert.deepEqual(our.responseSerialize(answered), reply);
          assert.deepEqual(our.responseDeserialize(reply), their.responseDeserialize(reply));
        }
        const nothing = Buffer.alloc(0);
        assert.deepEqual(our.requestDeserialize(nothing), their.requestDeserialize(nothing));
        assert.throws(() => our.requestDeserialize(Buffer.from([0xff])), RangeError);
      });
    }
  }

  it('and there are those of error details', () => {
    for (const name of ['google.rpc.Status', 'google.rpc.ErrorInfo', 'google.rpc.BadRequest'])
      assert.ok(name in MESSAGES);
  });
});
