// What is there after the soak, held against what should be: wishes, entries of the kernel, joins.
import type { Entry__Output } from '../src/api/generated/mcroute/v1/Entry.js';
import type { MfcEntry__Output } from '../src/api/generated/mcroute/v1/MfcEntry.js';
import { messages, unary } from '../src/api/client.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import { type Client, deadline, list } from '../test/support/calls.js';
import type { Namespace } from '../test/support/namespaces.js';
import { replaceAll } from './calls.js';
import { WISHED_GROUP, type Wishes, describe } from './soak-wishes.js';

const REFERENCE_TABLE = 366;

/** Each a list of what is there and should not be (`+`), and of what is missing (`-`). */
export interface Audit {
  readonly wishes: readonly string[];
  readonly failed: readonly string[];
  /** The kernel beside what an agent makes that was only told the last wishes. */
  readonly kernel: readonly string[];
  /** What the agent tells of the kernel, beside that. */
  readonly mfc: readonly string[];
  readonly joins: readonly string[];
}

/** Nothing must change meanwhile, no flow be on its way, and what was learned have been flushed. */
export async function auditTable(agent: Agent, all: readonly Wishes[]): Promise<Audit> {
  const { namespace } = agent;
  const { entries } = await list(agent.client);
  const kernel = kernelEntries(namespace, agent.table);
  const joins = kernelJoins(namespace);
  const told: string[] = [];
  for await (const message of messages(agent.client.ListMfc({}, deadline())))
    told.push(...message.entries.map(mfcText));
  return {
    wishes: all.flatMap(({ owner, texts }) => differences(texts, wishesOf(entries, owner))),
    failed: entries.filter(({ state }) => state === 'STATE_FAILED').map(({ resource }) => JSON.stringify(resource)),
    kernel: differences(await referenceEntries(namespace, all), kernel),
    mfc: differences(kernel, told.sort()),
    joins: differences(wishedJoins(namespace, all), joins),
  };
}

function wishesOf(entries: readonly Entry__Output[], owner: string): string[] {
  const owned = entries.filter(({ owners }) => owners.includes(owner));
  return owned.flatMap(({ resource }) => (resource === null ? [] : [describe(resource)]));
}

/** What the kernel has of an agent of another table that is told the wishes in one go. */
async function referenceEntries(namespace: Namespace, all: readonly Wishes[]): Promise<string[]> {
  using agent = await startAgent(namespace, { table: REFERENCE_TABLE, args: ['--no-mrules'] });
  for (const { owner, resources } of all) await replaceAll(agent.client, resources, owner);
  // An entry of an owner's rule that upcalls answer since the next owner's is kept like a learned one.
  await flush(agent.client);
  const entries = kernelEntries(namespace, REFERENCE_TABLE);
  await agent.stop();
  return entries;
}

/** The source of (*,G) entries. */
const ANY_SOURCE = ['0.0.0.0', '::'];

/** Drops what was learned. */
export async function flush(client: Client): Promise<void> {
  await unary((callback) => client.Flush({}, deadline(), callback));
}

/** Of `ip -json mroute`; `multipath` is left out where nothing leaves. */
interface MrouteJson {
  readonly src: string;
  readonly dst: string;
  readonly iif?: string;
  readonly state: string;
  readonly multipath?: readonly { readonly oif: string; readonly ttl?: number }[];
}

/** The entries of both families that the kernel itself tells of. */
function kernelEntries(namespace: Namespace, table: number): string[] {
  return ['-4', '-6']
    .flatMap((family) => namespace.ipJson(`${family} mroute show table ${table}`) as readonly MrouteJson[])
    .filter(({ state }) => state === 'resolved')
    .map(({ src, dst, iif = '', multipath = [] }) => {
      // A (*,G) entry matches an arrival only if the iif is among its oifs, but never sends it back there.
      const oifs = multipath.filter(({ oif }) => oif !== iif || !ANY_SOURCE.includes(src));
      return entryText(
        src,
        dst,
        iif,
        oifs.map(({ oif, ttl = 1 }) => (ttl === 1 ? oif : `${oif}@${ttl}`)),
      );
    })
    .sort();
}

function mfcText({ source, group, iif, oifs }: MfcEntry__Output): string {
  const [any4 = '', any6 = ''] = ANY_SOURCE;
  const names = oifs.map(({ interface: name, ttlThreshold = 0 }) =>
    ttlThreshold === 0 ? name : `${name}@${ttlThreshold}`,
  );
  return entryText(source || (group.includes(':') ? any6 : any4), group, iif, names);
}

function entryText(source: string, group: string, iif: string, oifs: readonly string[]): string {
  // Where nothing leaves, any of the iifs of rules for the source does: which one is left to the order of the changes.
  return `(${source}, ${group}) ${oifs.length === 0 ? 'any' : iif} > ${[...oifs].sort().join(' ')}`;
}

/** Of `ip -json maddress`. */
interface MaddressJson {
  readonly ifname: string;
  readonly maddr: readonly { readonly address?: string }[];
}

/** The joins of the groups that owners wish, as `INTERFACE GROUP`. */
function kernelJoins(namespace: Namespace): string[] {
  const all = namespace.ipJson('maddress show') as readonly MaddressJson[];
  return all
    .flatMap(({ ifname, maddr }) => maddr.map(({ address = '' }) => ({ ifname, address })))
    .filter(({ address }) => WISHED_GROUP.test(address))
    .map(({ ifname, address }) => `${ifname} ${address}`)
    .sort();
}

function wishedJoins(namespace: Namespace, all: readonly Wishes[]): string[] {
  const links = namespace.ipJson('link show') as readonly { readonly ifname: string }[];
  const present = new Set(links.map(({ ifname }) => ifname));
  const keys = all.flatMap(({ resources }) => resources.flatMap(({ membership }) => membership?.key ?? []));
  const wished = keys.filter(({ interface: name = '' }) => present.has(name));
  return [...new Set(wished.map(({ interface: name = '', group = '' }) => `${name} ${group}`))].sort();
}

/** `-` what is only wanted, `+` what is only there. */
function differences(wanted: readonly string[], there: readonly string[]): string[] {
  const [right, found] = [new Set(wanted), new Set(there)];
  return [
    ...wanted.filter((line) => !found.has(line)).map((line) => `- ${line}`),
    ...there.filter((line) => !right.has(line)).map((line) => `+ ${line}`),
  ];
}
