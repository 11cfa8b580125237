// Entries of rules as JSON without the document in between: many thousands of them are printed at once. Pure.
import type { Counters__Output } from '../../api/generated/mcroute/v1/Counters.js';
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { Mroute__Output } from '../../api/generated/mcroute/v1/Mroute.js';
import { entryDocument } from './document.js';
import { enumWord } from './text.js';

/** What `JSON.stringify` makes of `entryDocument`. */
export function entryJson(entry: Entry__Output): string {
  const mroute = entry.resource?.mroute;
  // Few entries wait for something, are refused or have warnings, and few are no rules.
  const isPlain = entry.error === null && entry.missing.length === 0 && entry.warnings.length === 0;
  if (!mroute?.key || !isPlain) return JSON.stringify(entryDocument(entry));
  const { iif, source, group } = mroute.key;
  const { owners, state, programming, programmingReason: reason, counters } = entry;
  return (
    `{"kind":"mroute","iif":${quoted(iif)},"source":${source === '' ? 'null' : quoted(source)},"group":${quoted(group)}` +
    `,"oifs":[${oifsJson(mroute.oifs)}],"except":[${texts(mroute.except)}],"deny":${mroute.deny},"label":${quoted(mroute.label)}` +
    `,"owners":[${texts(owners)}],"state":${word(state, 'STATE')},"error":null,"missing":[],"warnings":[]` +
    `,"programming":${word(programming, 'PROGRAMMING')},"programming_reason":${reason === '' ? 'null' : quoted(reason)}` +
    `,"counters":${counters === null ? 'null' : countersJson(counters)}}`
  );
}

/** Characters that stand in JSON as they are. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function texts(some: readonly string[]): string {
  const [only = ''] = some;
  return some.length === 1 ? quoted(only) : some.map(quoted).join(',');
}

function oifsJson(oifs: Mroute__Output['oifs']): string {
  let text = '';
  for (const { interface: name, _ttlThreshold: isSet, ttlThreshold } of oifs) {
    if (text !== '') text += ',';
    text += `{"interface":${quoted(name)},"ttl_threshold":${isSet === undefined ? 'null' : (ttlThreshold ?? 'null')}}`;
  }
  return text;
}

function countersJson({ packets, bytes, wrongIf }: Counters__Output): string {
  return `{"packets":${long(packets)},"bytes":${long(bytes)},"wrong_if":${long(wrongIf)}}`;
}

/** A number up to 2^53, else a text, as `longValue` has it. */
function long(digits: string): string {
  return digits.length < 16 || Number.isSafeInteger(Number(digits)) ? digits : `"${digits}"`;
}

/** By the value of the enum, whose names begin with that of the enum and so are different. */
const words = new Map<string, string>();

function word(value: string, prefix: string): string {
  let text = words.get(value);
  if (text === undefined) {
    text = JSON.stringify(enumWord(value, prefix) ?? null);
    words.set(value, text);
  }
  return text;
}
