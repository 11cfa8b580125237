// `show rules`: the kernel's rules that send packets to tables. Pure.
import type { Mrule__Output } from '../../api/generated/mcroute/v1/Mrule.js';
import { MRULE_PROTOCOL } from '../../model/mrule.js';
import type { Document } from './document.js';
import type { ListView } from './list.js';
import { enumWord, paintState } from './text.js';

export const rulesView: ListView<Mrule__Output> = {
  name: 'rules',
  columns: [
    { title: 'FAMILY', cell: ({ family }) => enumWord(family, 'FAMILY') ?? '' },
    { title: 'PRIORITY', cell: ({ priority }) => String(priority), isNumber: true },
    { title: 'MATCHES', cell: matchText },
    { title: 'TABLE', cell: ({ table }) => String(table), isNumber: true },
    { title: 'PROTOCOL', cell: protocolText },
    { title: 'WHOSE', cell: whoseText },
    { title: 'STATE', cell: ({ state }) => enumWord(state, 'STATE') ?? '', paint: paintState },
  ],
  wideColumns: [],
  document: ruleDocument,
};

function ruleDocument(rule: Mrule__Output): Document {
  const { family, iif, oif, table, priority, protocol, state } = rule;
  return {
    family: enumWord(family, 'FAMILY') ?? null,
    iif: iif === '' ? null : iif,
    oif: oif === '' ? null : oif,
    table,
    priority,
    protocol,
    state: enumWord(state, 'STATE') ?? null,
  };
}

function matchText({ iif, oif }: Mrule__Output): string {
  if (iif !== '') return `iif ${iif}`;
  return oif === '' ? 'all' : `oif ${oif}`;
}

function protocolText({ protocol }: Mrule__Output): string {
  return protocol === MRULE_PROTOCOL ? 'mcroute' : String(protocol);
}

function whoseText({ state }: Mrule__Output): string {
  switch (state) {
    case 'STATE_PROGRAMMED':
    case 'STATE_MISSING':
      return "this agent's";
    case 'STATE_CONFLICT':
    case 'STATE_FOREIGN':
      return "another's";
    case 'STATE_UNSPECIFIED':
      return '';
  }
}
