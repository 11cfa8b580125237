// Contexts: hosts and what is needed to reach them, under a name. Their file, as a value and as text. Pure.
import { isAbsolute } from 'node:path';
import { parseTableWord } from '../connect.js';
import { CliError } from '../errors.js';
import { Reader, type Section } from '../file/reader.js';
import { parseSourceText } from '../file/source-text.js';
import { yamlText } from '../output/list.js';

/** The files of TLS, and the name that the gateway's certificate must have. */
export interface TlsSettings {
  /** Certificates that the gateway's must be signed by; undefined: those that Node brings along. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Instead of the host's own name. */
  readonly serverName?: string;
}

/** What one name stands for. */
export interface Context extends TlsSettings {
  readonly hosts: readonly string[];
  /** Id or name of the table where no other is given. */
  readonly table?: number | string;
  /** Whose resources are changed where no other owner is given. */
  readonly owner?: string;
}

/** All contexts. */
export interface Contexts {
  /** The one in use. */
  readonly current: string | undefined;
  readonly contexts: ReadonlyMap<string, Context>;
}

export const NO_CONTEXTS: Contexts = { current: undefined, contexts: new Map() };

/** The name that stands for this host, as if there were no contexts. */
export const LOCAL_CONTEXT = 'local';

/** Contexts in the file at most. */
const CONTEXTS_MAX = 1_000;

/** Whether a context may have the name: 64 bytes at most, and none that a shell would take apart. */
export function isContextName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text) && text !== LOCAL_CONTEXT;
}

/** Reads the file. @throws CliError BAD_FILE with the line and the column of everything that is wrong. */
export function parseContexts(text: string, file: string): Contexts {
  const source = parseSourceText(text, file, { hasColumns: true });
  if (source.value === null || source.value === undefined) return NO_CONTEXTS;
  const reader = new Reader(source);
  const contexts = new Map<string, Context>();
  const top = reader.section(source.value, [], ['current', 'contexts']);
  let current: string | undefined;
  if (top !== undefined) {
    current = reader.text(top, 'current', false) || undefined;
    const names = Object.entries(reader.record(top, 'contexts'));
    if (names.length > CONTEXTS_MAX) reader.refuse(['contexts'], `has more than ${CONTEXTS_MAX} contexts`);
    for (const [name, value] of names.slice(0, CONTEXTS_MAX)) {
      if (!isContextName(name)) reader.refuse(['contexts', name], 'is no name for a context', true);
      const section = reader.section(value, ['contexts', name], KEYS);
      if (section !== undefined) contexts.set(name, readContext(reader, section));
    }
    if (current !== undefined && !contexts.has(current)) {
      reader.refuse(['current'], `there is no context '${current}'`);
    }
  }
  reader.throwIfAny();
  return { current, contexts };
}

/** The file's text. */
export function renderContexts({ current, contexts }: Contexts): string {
  const sections = [...contexts].map(([name, context]) => [name, sectionOf(context)] as const);
  return yamlText({ ...(current !== undefined && { current }), contexts: Object.fromEntries(sections) });
}

/** The context of that name. @throws CliError BAD_ENVIRONMENT if there is none. */
export function contextOf({ contexts }: Contexts, name: string, origin: string): Context {
  const found = contexts.get(name);
  if (found !== undefined) return found;
  const others = [...contexts.keys()].slice(0, 20).join(', ');
  throw new CliError('BAD_ENVIRONMENT', `${origin}: there is no context '${name}'`, [
    others === ''
      ? 'make it: mcctl context add NAME --host HOST'
      : `there are ${others}; 'mcctl context list' has more`,
  ]);
}

const KEYS = ['hosts', 'ca', 'cert', 'key', 'server-name', 'table', 'owner'];

function readContext(reader: Reader, section: Section): Context {
  const hosts = reader.texts(section, 'hosts');
  if (hosts.length === 0) reader.refuse([...section.path, 'hosts'], 'is required: a list of hosts');
  const path = (key: string) => {
    const text = reader.text(section, key, false);
    if (text !== '' && !isAbsolute(text)) reader.refuse([...section.path, key], 'must be an absolute path');
    return text;
  };
  const [ca, cert, key] = [path('ca'), path('cert'), path('key')];
  if ((cert === '') !== (key === '')) reader.refuse(section.path, 'cert and key go together');
  const serverName = reader.text(section, 'server-name', false);
  const owner = reader.text(section, 'owner', false);
  const table = readTable(reader, section);
  return {
    hosts,
    ...(ca !== '' && { ca }),
    ...(cert !== '' && { cert }),
    ...(key !== '' && { key }),
    ...(serverName !== '' && { serverName }),
    ...(table !== undefined && { table }),
    ...(owner !== '' && { owner }),
  };
}

function readTable(reader: Reader, section: Section): number | string | undefined {
  const value = section.values['table'] ?? undefined;
  if (value === undefined) return undefined;
  const table = typeof value === 'number' || typeof value === 'string' ? parseTableWord(String(value)) : undefined;
  if (table === undefined) reader.refuse([...section.path, 'table'], 'is 1 to 99999999, or a name');
  return table;
}

function sectionOf({ hosts, ca, cert, key, serverName, table, owner }: Context) {
  return {
    hosts: [...hosts],
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { 'server-name': serverName }),
    ...(table !== undefined && { table }),
    ...(owner !== undefined && { owner }),
  };
}
