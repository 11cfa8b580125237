// What the demo shows: streams, and the commands that have them forwarded. Pure.
import type { Family } from '../../src/model/address.js';

/** How a stream's packets are recognised: by an exact rule of one source or of any, or by a range of groups. */
export type Kind = '(S,G)' | '(*,G)' | 'prefix';

/** A stream of packets through the router. */
export interface Stream {
  readonly table: number;
  readonly family: Family;
  readonly kind: Kind;
  readonly source: string;
  readonly group: string;
  readonly iif: string;
  readonly oifs: readonly string[];
  /** What the rule names as its group: the group, or the range that it lies in. */
  readonly range: string;
  /** UDP port of its own, so that each receiver has a socket, and a buffer, for each stream. */
  readonly port: number;
  /** Whether its outgoing interface is deleted under way; all other streams are left alone. */
  readonly isUnplugged: boolean;
}

/** Words after `mcctl`, for one table. */
export interface TableCommand {
  readonly table: number;
  readonly words: readonly string[];
}

/** A multicast routing table of the router. */
export interface Table {
  readonly table: number;
  /** As people call it. */
  readonly name: string;
  /** Number of the sender that it forwards for: that of sender N is behind `inN`. */
  readonly sender: number;
}

/** The table whose agent is killed; its routes stay as they are. */
export const STUDIO: Table = { table: 123, name: 'studio', sender: 0 };

/** The table that is restarted; a route of it comes and goes. */
export const EDIT: Table = { table: 124, name: 'edit', sender: 1 };

export const TABLES: readonly Table[] = [STUDIO, EDIT];

/** The supervisor's configuration file. */
export const CONFIGURATION = [
  'tables:',
  ...TABLES.flatMap(({ table, name }) => [`  - id: ${table}`, `    name: ${name}`]),
  '',
].join('\n');

/** The interface that is deleted and made again. */
export const UNPLUGGED_OIF = 'out3';

/** Packets per second of each stream. */
export const RATE = 500;

/** Packets of each stream. */
export const PACKETS = 7_000;

/** The streams that the families allow: in each table an exact rule of each kind and family, and one range. */
export function planStreams(
  families: readonly Family[],
  sourceOf: (sender: number, family: Family) => string,
): readonly Stream[] {
  const outlines = TABLES.flatMap(({ table, sender }, index) => {
    const rangeFamily = families[index % families.length] ?? 'ipv4';
    const inTable = (outline: Outline) => ({ ...outline, table, sender });
    return [
      ...families.flatMap((family) => [
        inTable({ family, kind: '(S,G)', group: GROUPS[family].sourceSpecific, oifs: BOTH }),
        inTable({ family, kind: '(*,G)', group: GROUPS[family].anySource, oifs: BOTH }),
      ]),
      inTable({ family: rangeFamily, kind: 'prefix', ...GROUPS[rangeFamily].inRange, oifs: BOTH }),
      ...(index === 0 ? [inTable({ family: 'ipv4', kind: '(S,G)', group: '232.1.1.9', oifs: [UNPLUGGED_OIF] })] : []),
    ];
  });
  return outlines.map(({ sender, range, ...outline }, index) => ({
    ...outline,
    source: sourceOf(sender, outline.family),
    iif: `in${sender}`,
    range: range ?? outline.group,
    port: FIRST_PORT + index,
    isUnplugged: outline.oifs.includes(UNPLUGGED_OIF),
  }));
}

/** What makes the router join the groups of exact rules, so that switches send them, and add all rules. */
export function commandsFor(streams: readonly Stream[]): readonly TableCommand[] {
  return TABLES.flatMap(({ table }) => {
    const own = streams.filter((stream) => stream.table === table);
    return [...own.filter(mustLoseNothing).map(joinCommand), ...own.map(addCommand)];
  });
}

/** Whether not one of the stream's packets may be lost: its rule is exact, and nobody touches what it uses. */
export function mustLoseNothing(stream: Stream): boolean {
  return stream.kind !== 'prefix' && !stream.isUnplugged;
}

interface Outline {
  readonly family: Family;
  readonly kind: Kind;
  readonly group: string;
  readonly range?: string;
  readonly oifs: readonly string[];
}

function joinCommand(stream: Stream): TableCommand {
  return { table: stream.table, words: ['join', stream.iif, ...sourceWords(stream), stream.group] };
}

function addCommand(stream: Stream): TableCommand {
  return { table: stream.table, words: ['add', stream.iif, ...sourceWords(stream), stream.range, ...stream.oifs] };
}

function sourceWords({ kind, source }: Stream): readonly string[] {
  return kind === '(S,G)' ? [source] : [];
}

const BOTH = ['out1', 'out2'];

// RFC 4607 (SSM), RFC 2365 and RFC 4291 section 2.7 (transient, global scope).
const GROUPS = {
  ipv4: {
    sourceSpecific: '232.1.1.1',
    anySource: '239.1.1.2',
    inRange: { group: '239.10.1.1', range: '239.10.0.0/16' },
  },
  ipv6: {
    sourceSpecific: 'ff3e::1',
    anySource: 'ff1e::2',
    inRange: { group: 'ff1e:10::1', range: 'ff1e:10::/32' },
  },
} as const satisfies Record<Family, unknown>;

const FIRST_PORT = 5_001;
