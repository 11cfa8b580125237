// `capabilities` for people and as a document. Pure.
import type { GetCapabilitiesResponse__Output } from '../../api/generated/mcroute/v1/GetCapabilitiesResponse.js';
import type { Document } from './document.js';
import { enumWord, printable } from './text.js';

export function capabilitiesDocument(capabilities: GetCapabilitiesResponse__Output): Document {
  return {
    api_version: capabilities.apiVersion,
    server_version: capabilities.serverVersion,
    table: capabilities.table,
    families: familiesOf(capabilities),
    vif_limit: capabilities.vifLimit,
    changes_per_apply: capabilities.changesPerApply,
    message_bytes: capabilities.messageBytes,
    realtime_upcalls: capabilities.realtimeUpcalls,
  };
}

export function capabilitiesText(capabilities: GetCapabilitiesResponse__Output): string {
  const lines = [
    ['table', String(capabilities.table)],
    ['agent', capabilities.serverVersion],
    ['API', capabilities.apiVersion],
    ['families', familiesOf(capabilities).join(' ')],
    ['interfaces per family', String(capabilities.vifLimit)],
    ['changes per request', String(capabilities.changesPerApply)],
    ['bytes per message', String(capabilities.messageBytes)],
    ['upcalls', capabilities.realtimeUpcalls ? 'at real-time priority' : 'at normal priority'],
  ] as const;
  const width = Math.max(...lines.map(([title]) => title.length));
  return lines.map(([title, text]) => `${title.padEnd(width)}  ${printable(text)}\n`).join('');
}

function familiesOf({ families }: GetCapabilitiesResponse__Output): string[] {
  return families.flatMap((family) => enumWord(family, 'FAMILY') ?? []);
}
