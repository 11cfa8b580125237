// Writes the functions that encode and decode the messages of proto/ as a module. protobufjs would make the same functions at
// run time, from the .proto files: at every start, and V8 could not keep what it compiled of them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';

const { Enum, Service, Type, converter, decoder, encoder } = protobuf;

/** The text of a module for the files of a folder. It exports `MESSAGES` and `SERVICES` as src/api/codec.ts has them. */
export function codecModule(folder, files) {
  const root = readFiles(folder, files);
  const all = [...objectsOf(root)];
  const messages = all.filter((object) => object instanceof Type);
  const names = new Map(all.map((object, index) => [object, `${object.name}${index}`]));
  const entries = (objects, textOf) => objects.map((object) => `  ${quote(nameOf(object))}: ${textOf(object)},`);
  return [
    '// @ts-nocheck',
    "import protobuf from 'protobufjs/minimal.js';",
    "import type { MessageCodec, MethodCodec } from '../codec.js';",
    'const { Reader, Writer, util } = protobuf;',
    ...all.filter((object) => object instanceof Enum).map((object) => enumText(object, names)),
    ...messages.map((message) => messageText(message, names)),
    // They may name each other in circles.
    ...messages.map((message) => `${names.get(message)}.types.push(${typesOf(message, names).join(', ')});`),
    'export const MESSAGES: Readonly<Record<string, MessageCodec>> = {',
    ...entries(messages, (message) => names.get(message)),
    '};',
    'export const SERVICES: Readonly<Record<string, Readonly<Record<string, MethodCodec>>>> = {',
    ...entries(
      all.filter((object) => object instanceof Service),
      (service) => serviceText(service, names),
    ),
    '};',
    '',
  ].join('\n');
}

function readFiles(folder, files) {
  const root = new protobuf.Root();
  // The files of google.protobuf are within protobufjs, which knows them by their names.
  root.resolvePath = (_origin, target) => (existsSync(join(folder, target)) ? join(folder, target) : target);
  root.loadSync(files);
  root.resolveAll();
  return root;
}

function* objectsOf(namespace) {
  for (const object of namespace.nestedArray) {
    if (object instanceof Type || object instanceof Enum || object instanceof Service) yield object;
    if (object.nestedArray !== undefined) yield* objectsOf(object);
  }
}

/** The converters look up numbers by names and names by numbers. */
function enumText(object, names) {
  return `const ${names.get(object)} = { values: ${JSON.stringify({ ...object.valuesById, ...object.values })} };`;
}

function messageText(message, names) {
  const functions = {
    ctor: Type.generateConstructor(message),
    encode: encoder(message),
    decode: decoder(message),
    fromObject: converter.fromObject(message),
    toObject: converter.toObject(message),
  };
  const members = Object.entries(functions).map(([name, generated]) => `  ${name}: ${generated.toString()},`);
  const name = `name: ${quote(message.name)}`;
  return [`const ${names.get(message)} = ((types) => ({`, `  ${name},`, '  types,', ...members, '}))([]);'].join('\n');
}

/** What the functions know as `types[i]`: the type of field i, if it is no scalar. */
function typesOf(message, names) {
  return message.fieldsArray.map(({ resolvedType }) => (resolvedType === null ? 'undefined' : names.get(resolvedType)));
}

function serviceText(service, names) {
  const methods = service.methodsArray.map((method) => {
    const { name, requestStream = false, responseStream = false, resolvedRequestType, resolvedResponseType } = method;
    const parts = [
      `path: ${quote(`/${nameOf(service)}/${name}`)}`,
      `request: ${names.get(resolvedRequestType)}`,
      `response: ${names.get(resolvedResponseType)}`,
      `requestStream: ${requestStream}`,
      `responseStream: ${responseStream}`,
    ];
    return `    ${name}: { ${parts.join(', ')} },`;
  });
  return ['{', ...methods, '  }'].join('\n');
}

function nameOf(object) {
  return object.fullName.replace(/^\./, '');
}

function quote(text) {
  return JSON.stringify(text);
}
