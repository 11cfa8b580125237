// How querier and router discovery fare on an interface: in a line, and as a document. Pure.
import type { Family__Output } from '../../api/generated/mcroute/v1/Family.js';
import type { MrdiscStatus__Output } from '../../api/generated/mcroute/v1/MrdiscStatus.js';
import type { QuerierStatus__Output } from '../../api/generated/mcroute/v1/QuerierStatus.js';
import type { WaitingFor__Output } from '../../api/generated/mcroute/v1/WaitingFor.js';
import type { Document } from './document.js';
import { enumWord } from './text.js';

/** `10.0.0.1 (us), IGMPv3`, `10.0.0.2, IGMPv2 (other querier present; we are 10.0.0.5)`, `MLDv2 waits for an address`. */
export function querierText(status: QuerierStatus__Output): string {
  const { family, waitingFor, role, source, querier, version, error } = status;
  const protocol = `${family === 'FAMILY_IPV6' ? 'MLD' : 'IGMP'}v${version}`;
  const waits = waitingText(family, waitingFor);
  if (waits !== undefined) return `${protocol} ${waits}`;
  return role === 'ROLE_NON_QUERIER'
    ? `${querier}, ${protocol} (other querier present; we are ${source})${failureText(error)}`
    : `${querier} (us), ${protocol}${failureText(error)}`;
}

/** `10.0.0.1, every 20 s`, `IPv4 waits for the interface to be up`. */
export function mrdiscText({ family, waitingFor, source, interval, error }: MrdiscStatus__Output): string {
  const waits = waitingText(family, waitingFor);
  if (waits !== undefined) return `${family === 'FAMILY_IPV6' ? 'IPv6' : 'IPv4'} ${waits}`;
  return `${source}, every ${interval} s${failureText(error)}`;
}

export function querierDocument(status: QuerierStatus__Output): Document {
  return {
    family: enumWord(status.family, 'FAMILY') ?? null,
    waiting_for: enumWord(status.waitingFor, 'WAITING_FOR') ?? null,
    role: enumWord(status.role, 'ROLE') ?? null,
    source: textOrNull(status.source),
    querier: textOrNull(status.querier),
    version: status.version,
    error: textOrNull(status.error),
  };
}

export function mrdiscDocument(status: MrdiscStatus__Output): Document {
  return {
    family: enumWord(status.family, 'FAMILY') ?? null,
    waiting_for: enumWord(status.waitingFor, 'WAITING_FOR') ?? null,
    source: textOrNull(status.source),
    interval: status.interval,
    error: textOrNull(status.error),
  };
}

/** What is waited for; undefined if nothing is. */
function waitingText(family: Family__Output, waitingFor: WaitingFor__Output): string | undefined {
  switch (waitingFor) {
    case 'WAITING_FOR_UNSPECIFIED':
      return undefined;
    case 'WAITING_FOR_UP':
      return 'waits for the interface to be up';
    case 'WAITING_FOR_ADDRESS':
      return `waits for ${family === 'FAMILY_IPV6' ? 'a link-local address' : 'an address'}`;
  }
}

function failureText(error: string): string {
  return error === '' ? '' : `; the last message was not sent: ${error}`;
}

function textOrNull(text: string): string | null {
  return text === '' ? null : text;
}
