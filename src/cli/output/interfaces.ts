// `show interfaces`: the host's interfaces and how the table uses them. Pure.
import type { InterfaceStatus__Output } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import { type Document, warningsDocument } from './document.js';
import type { ListView } from './list.js';
import { warningsText } from './text.js';

/** What an owner wants of an interface. */
export interface InterfaceWish {
  readonly ttlThreshold: number;
  readonly owners: readonly string[];
}

/** An interface with the wishes for it, which only the longer formats show. */
export interface InterfaceRow {
  readonly status: InterfaceStatus__Output;
  readonly wishes: readonly InterfaceWish[];
}

export const interfacesView: ListView<InterfaceRow> = {
  name: 'interfaces',
  columns: [
    { title: 'NAME', cell: ({ status }) => status.name },
    { title: 'IFINDEX', cell: ({ status }) => (status.ifindex === 0 ? '' : String(status.ifindex)), isNumber: true },
    { title: 'VIF', cell: ({ status }) => vifText(vifOf(status)), isNumber: true },
    { title: 'MIF', cell: ({ status }) => vifText(mifOf(status)), isNumber: true },
    { title: 'FLAGS', cell: ({ status }) => flagsText(status) },
    { title: 'MTU', cell: ({ status }) => (status.mtu === 0 ? '' : String(status.mtu)), isNumber: true },
    { title: 'MASTER', cell: ({ status }) => status.master },
    { title: 'KIND', cell: ({ status }) => status.kind },
  ],
  wideColumns: [
    { title: 'TTL-THRESHOLD', cell: ({ wishes }) => wishes.map(wishText).join(' ') },
    { title: 'WARNINGS', cell: ({ status }) => warningsText(status.warnings) },
  ],
  document: interfaceDocument,
};

function interfaceDocument({ status, wishes }: InterfaceRow): Document {
  return {
    name: status.name,
    ifindex: status.ifindex === 0 ? null : status.ifindex,
    up: status.up,
    carrier: status.carrier,
    multicast: status.multicast,
    ipv4_vif: vifOf(status) ?? null,
    ipv6_vif: mifOf(status) ?? null,
    master: status.master === '' ? null : status.master,
    kind: status.kind === '' ? null : status.kind,
    mtu: status.mtu,
    ttl_thresholds: wishes.map(({ ttlThreshold, owners }) => ({ ttl_threshold: ttlThreshold, owners })),
    warnings: warningsDocument(status.warnings),
  };
}

function vifOf(status: InterfaceStatus__Output): number | undefined {
  return status._ipv4Vif === undefined ? undefined : status.ipv4Vif;
}

function mifOf(status: InterfaceStatus__Output): number | undefined {
  return status._ipv6Vif === undefined ? undefined : status.ipv6Vif;
}

function vifText(number: number | undefined): string {
  return number === undefined ? '' : String(number);
}

function flagsText(status: InterfaceStatus__Output): string {
  if (status.ifindex === 0) return 'absent';
  const flags = [status.up ? 'up' : 'down'];
  if (status.up && !status.carrier) flags.push('no-carrier');
  if (!status.multicast) flags.push('no-multicast');
  return flags.join(',');
}

function wishText({ ttlThreshold, owners }: InterfaceWish): string {
  return `${ttlThreshold} (${owners.join(',')})`;
}
