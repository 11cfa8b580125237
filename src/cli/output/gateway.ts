// How a gateway is doing, and what identities may do. Pure.
import type { Certificate__Output } from '../../api/generated/mcroute/v1/Certificate.js';
import type { GetGatewayResponse__Output } from '../../api/generated/mcroute/v1/GetGatewayResponse.js';
import type { Grant__Output } from '../../api/generated/mcroute/v1/Grant.js';
import type { WhoAmIResponse__Output } from '../../api/generated/mcroute/v1/WhoAmIResponse.js';
import { msOfTimestamp } from '../../api/duration.js';
import { type Document, longValue } from './document.js';
import { enumWord, printable } from './text.js';
import { spanText, timeText } from './time.js';

/** Days before its end from which a certificate is shown in yellow; after it, in red. */
const DAYS_NEAR = 14;

/** Identities that people are shown. */
const IDENTITIES_SHOWN = 20;

/** All of it, a line each; a certificate that ends soon is painted. */
export function gatewayText(gateway: GetGatewayResponse__Output, nowMs: number, hasColour: boolean): string {
  const { audit, startTime } = gateway;
  const since =
    startTime === null ? '' : `, since ${timeText(startTime)}, ${spanText(nowMs - msOfTimestamp(startTime))}`;
  const lines: Line[] = [
    ['gateway', `${gateway.serverVersion}${since}`],
    ...gateway.listeners.map((one): Line => ['listens', listenerText(one)]),
    ...gateway.certificates.map((one): Line => ['certificate', certificateText(one), colourOf(one)]),
    ['certificate error', gateway.certificateError, RED],
    ['policy', policyText(gateway)],
    ['policy error', gateway.policyError, RED],
    ['audit', audit === null ? 'no file' : auditText(audit), audit !== null && audit.lost !== '0' ? RED : undefined],
    ['connections', `${gateway.connections}, and ${gateway.connectionsWithoutIdentity} without identity`],
    ['calls', `${gateway.calls} now, ${gateway.callsTotal} since the start`],
    ['refused', `${gateway.refusedConnections} connections, ${gateway.refusedCalls} calls`],
    ...gateway.identities
      .slice(0, IDENTITIES_SHOWN)
      .map((one): Line => ['connected', `${one.identity} (${one.connections} connections, ${one.calls} calls)`]),
  ];
  const hidden = gateway.identities.length - IDENTITIES_SHOWN;
  if (hidden > 0) lines.push(['connected', `and ${hidden} more`]);
  return linesText(lines, hasColour);
}

export function gatewayDocument(gateway: GetGatewayResponse__Output): Document {
  const { audit } = gateway;
  return {
    server_version: gateway.serverVersion,
    start_time: orNull(timeText(gateway.startTime)),
    listeners: gateway.listeners.map(({ address, tls, connections }) => ({ address, tls, connections })),
    certificates: gateway.certificates.map((one) => ({
      use: enumWord(one.use, 'USE') ?? null,
      file: one.file,
      subject: one.subject,
      names: one.names,
      not_before: orNull(timeText(one.notBefore)),
      not_after: orNull(timeText(one.notAfter)),
      days_left: one.daysLeft,
      fingerprint: one.fingerprint,
    })),
    certificate_error: orNull(gateway.certificateError),
    policy_file: orNull(gateway.policyFile),
    policy_rules: gateway.policyRules,
    policy_time: orNull(timeText(gateway.policyTime)),
    policy_error: orNull(gateway.policyError),
    audit:
      audit === null
        ? null
        : {
            file: orNull(audit.file),
            written: longValue(audit.written),
            lost: longValue(audit.lost),
            error: orNull(audit.error),
          },
    connections: gateway.connections,
    connections_without_identity: gateway.connectionsWithoutIdentity,
    calls: gateway.calls,
    calls_total: longValue(gateway.callsTotal),
    refused_connections: longValue(gateway.refusedConnections),
    refused_calls: longValue(gateway.refusedCalls),
    identities: gateway.identities.map(({ identity, connections, calls }) => ({ identity, connections, calls })),
  };
}

/** Who calls, and what it may do. */
export function identityText({ identity, address, grants }: WhoAmIResponse__Output): string {
  const lines: Line[] = [
    ['identity', identity],
    ['address', address],
    ...(grants.length === 0 ? [['may do', 'nothing'] as Line] : grants.map((one): Line => ['may do', grantText(one)])),
  ];
  return linesText(lines, false);
}

export function identityDocument({ identity, address, grants }: WhoAmIResponse__Output): Document {
  return {
    identity,
    address,
    grants: grants.map(({ role, tables, methods, groups, interfaces, owners }) => ({
      role,
      tables,
      methods,
      groups,
      interfaces,
      owners,
    })),
  };
}

/** A title, a text that may be empty, and its colour. */
type Line = readonly [string, string, (number | undefined)?];

// SGR codes.
const RED = 31;
const YELLOW = 33;

function linesText(lines: readonly Line[], hasColour: boolean): string {
  const shown = lines.filter(([, text]) => text !== '');
  const width = Math.max(...shown.map(([title]) => title.length));
  return shown
    .map(([title, text, colour]) => {
      const line = printable(text);
      return `${title.padEnd(width)}  ${hasColour && colour !== undefined ? `\u001b[${colour}m${line}\u001b[0m` : line}\n`;
    })
    .join('');
}

function listenerText({ address, tls, connections }: GetGatewayResponse__Output['listeners'][number]): string {
  const kind = tls ? ', with certificates' : '';
  return `${address}${kind} (${connections} connections)`;
}

function certificateText(certificate: Certificate__Output): string {
  const { subject, names, daysLeft, notAfter, file } = certificate;
  const use = certificate.use === 'USE_CLIENT_CA' ? 'clients are signed by ' : '';
  const who = [subject, ...names].filter((text) => text !== '').join(', ');
  const until = `${daysLeft} days left, until ${timeText(notAfter)}`;
  const end = daysLeft < 0 ? `expired ${-daysLeft} days ago, at ${timeText(notAfter)}` : until;
  return `${use}${who}: ${end} (${file})`;
}

function colourOf({ daysLeft }: Certificate__Output): number | undefined {
  if (daysLeft < 0) return RED;
  return daysLeft < DAYS_NEAR ? YELLOW : undefined;
}

function policyText({ policyFile, policyRules, policyTime }: GetGatewayResponse__Output): string {
  const read = policyTime === null ? '' : `, read at ${timeText(policyTime)}`;
  return policyFile === '' ? `no file, ${policyRules} rules` : `${policyFile}, ${policyRules} rules${read}`;
}

function auditText({ file, written, lost, error }: NonNullable<GetGatewayResponse__Output['audit']>): string {
  const loss = lost === '0' ? '' : `, ${lost} lost (${error})`;
  return `${file === '' ? 'no file' : file}, ${written} lines${loss}`;
}

function grantText({ role, tables, methods, groups, interfaces, owners }: Grant__Output): string {
  const restrictions = [
    ['tables', tables],
    ['methods', methods],
    ['groups', groups],
    ['interfaces', interfaces],
    ['owners', owners],
  ] as const;
  const told = restrictions.flatMap(([name, list]) => (list.length === 0 ? [] : `${name} ${list.join(', ')}`));
  return told.length === 0 ? role : `${role}: ${told.join('; ')}`;
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}
