// `show interfaces`: the host's interfaces and how the table uses them. Pure.
import type { Interface__Output } from '../../api/generated/mcroute/v1/Interface.js';
import type { InterfaceStatus__Output } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import { type Document, settingsDocument, warningsDocument } from './document.js';
import { mrdiscDocument, mrdiscText, querierDocument, querierText } from './link-protocols.js';
import type { ListView } from './list.js';
import { settingsText, warningsText } from './text.js';

/** What owners want of an interface. */
export interface InterfaceWish {
  readonly settings: Interface__Output;
  readonly owners: readonly string[];
}

/** An interface with the wishes for it. */
export interface InterfaceRow {
  readonly status: InterfaceStatus__Output;
  readonly wishes: readonly InterfaceWish[];
}

/** The interfaces that the agent tells of, then those that are only wished for. */
export function interfaceRows(
  interfaces: readonly InterfaceStatus__Output[],
  wishes: readonly InterfaceWish[],
): InterfaceRow[] {
  const rows = new Map(interfaces.map((status) => [status.name, { status, wishes: new Array<InterfaceWish>() }]));
  for (const wish of wishes) {
    const name = wish.settings.key?.name ?? '';
    const row = rows.get(name) ?? { status: absentInterface(name), wishes: [] };
    row.wishes.push(wish);
    rows.set(name, row);
  }
  return [...rows.values()];
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
  wideColumns: [{ title: 'WARNINGS', cell: ({ status }) => warningsText(status.warnings) }],
  details: ({ status, wishes }) => [
    ...wishes.map(({ settings, owners }) => `settings: ${settingsText(settings)} (${owners.join(',')})`),
    ...status.queriers.map((querier) => `querier: ${querierText(querier)}`),
    ...status.mrdisc.map((mrdisc) => `mrdisc: ${mrdiscText(mrdisc)}`),
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
    settings: wishes.map(({ settings, owners }) => ({ ...settingsDocument(settings), owners })),
    queriers: status.queriers.map(querierDocument),
    mrdisc: status.mrdisc.map(mrdiscDocument),
    warnings: warningsDocument(status.warnings),
  };
}

/** An interface of which the agent has nothing to tell: it is not there, and no rule or join waits for it. */
function absentInterface(name: string): InterfaceStatus__Output {
  return {
    name,
    ifindex: 0,
    up: false,
    carrier: false,
    multicast: false,
    master: '',
    kind: '',
    mtu: 0,
    warnings: [],
    queriers: [],
    mrdisc: [],
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
