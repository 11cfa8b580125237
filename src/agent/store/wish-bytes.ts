// Resources and keys as the bytes of their JSON: just those of `JSON.stringify(encodeResource(...))`, at a fraction of
// the price for mroutes, of which there are many.
import { isAny } from '../../model/address.js';
import type { Mroute, MrouteKey } from '../../model/mroute.js';
import type { Resource, ResourceKey } from '../../model/resource.js';
import { encodeResource, encodeResourceKey } from '../rib/wish-text.js';
import type { JsonBytes } from './json-bytes.js';

const piece = (text: string): Uint8Array => Buffer.from(text, 'latin1');

const BEGIN = piece('{');
const END = piece('}');
const OWNER = piece('{"owner":');
const COMMA = piece(',');
const MROUTE = piece('"kind":"mroute","source":');
const ANY_SOURCE = piece('"*"');
const GROUP = piece(',"group":');
const IIF = piece(',"iif":');
const OIFS = piece(',"oifs":[');
const END_OF_LIST = piece(']');

/** Adds the JSON of a resource. */
export function writeResource(json: JsonBytes, resource: Resource): void {
  if ('oifs' in resource) {
    json.add(BEGIN);
    writeMroute(json, resource);
  } else {
    json.value(encodeResource(resource));
  }
}

/** Adds the JSON of a resource with its owner. */
export function writeOwnedResource(json: JsonBytes, owner: string, resource: Resource): void {
  if ('oifs' in resource) {
    json.add(OWNER);
    json.name(owner);
    json.add(COMMA);
    writeMroute(json, resource);
  } else {
    json.value({ owner, ...encodeResource(resource) });
  }
}

/** Adds the JSON of a key. */
export function writeResourceKey(json: JsonBytes, key: ResourceKey): void {
  if (key.kind === 'mroute') {
    json.add(BEGIN);
    writeMrouteKey(json, key);
    json.add(END);
  } else {
    json.value(encodeResourceKey(key));
  }
}

/** What comes after the brace, or after the owner. */
function writeMroute(json: JsonBytes, { key, oifs, except, deny, label }: Mroute): void {
  writeMrouteKey(json, key);
  json.add(OIFS);
  let isFirst = true;
  for (const { interface: name, ttlThreshold } of oifs) {
    if (!isFirst) json.add(COMMA);
    isFirst = false;
    if (ttlThreshold === undefined) json.name(name);
    else json.value({ interface: name, ttlThreshold });
  }
  json.add(END_OF_LIST);
  if (except.length > 0) {
    for (const [index, prefix] of except.entries()) {
      json.ascii(index === 0 ? ',"except":[' : ',');
      json.prefix(prefix);
    }
    json.add(END_OF_LIST);
  }
  if (deny) json.ascii(',"deny":true');
  if (label !== '') {
    json.ascii(',"label":');
    json.value(label);
  }
  json.add(END);
}

function writeMrouteKey(json: JsonBytes, { source, group, iif }: MrouteKey): void {
  json.add(MROUTE);
  if (isAny(source)) json.add(ANY_SOURCE);
  else json.prefix(source);
  json.add(GROUP);
  json.prefix(group);
  json.add(IIF);
  json.name(iif);
}
