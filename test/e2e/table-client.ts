// An agent's API in few words, as tests want it: every call as one owner, resources made of names and addresses.
import type { ApplyResponse__Output } from '../../src/api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { FlushResponse__Output } from '../../src/api/generated/mcroute/v1/FlushResponse.js';
import type { InterfaceStatus__Output } from '../../src/api/generated/mcroute/v1/InterfaceStatus.js';
import type { ListInterfacesResponse__Output } from '../../src/api/generated/mcroute/v1/ListInterfacesResponse.js';
import type { ListMrulesResponse__Output } from '../../src/api/generated/mcroute/v1/ListMrulesResponse.js';
import type { MfcEntry__Output } from '../../src/api/generated/mcroute/v1/MfcEntry.js';
import type { Mrule__Output } from '../../src/api/generated/mcroute/v1/Mrule.js';
import type { ReplaceResponse__Output } from '../../src/api/generated/mcroute/v1/ReplaceResponse.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { deadlineAfter, messages, unary } from '../../src/api/client.js';
import type { Agent } from '../support/agent.js';
import { WAIT_LIMIT_MS } from '../support/wait.js';

/** What of a rule is not its iif, group and oifs. */
export interface RouteOptions {
  /** Address or prefix; any if left out. */
  readonly source?: string;
  readonly except?: readonly string[];
  readonly deny?: boolean;
  readonly label?: string;
}

export interface ApplyOptions {
  readonly validateOnly?: boolean;
  readonly strict?: boolean;
  readonly expectedRevision?: string;
}

/** A rule; an oif is a name or `NAME@TTL`. */
export function route(iif: string, group: string, oifs: readonly string[], options: RouteOptions = {}): Resource {
  const { source = '', except = [], deny = false, label = '' } = options;
  return {
    mroute: {
      key: { iif, source, group },
      oifs: oifs.map((text) => {
        const [name = '', ttlThreshold] = text.split('@');
        return ttlThreshold === undefined
          ? { interface: name }
          : { interface: name, ttlThreshold: Number(ttlThreshold) };
      }),
      except: [...except],
      deny,
      label,
    },
  };
}

/** A join; source-specific with a source. */
export function membership(interfaceName: string, group: string, source = ''): Resource {
  return { membership: { key: { interface: interfaceName, group, source }, label: '' } };
}

/** A threshold of an interface. */
export function threshold(name: string, ttlThreshold: number): Resource {
  return { interface: { key: { name }, ttlThreshold } };
}

/** One owner's view of an agent's table. Failures are ApiErrors. */
export class TableClient {
  readonly #agent: Agent;
  readonly #owner: string;

  constructor(agent: Agent, owner = 'cli') {
    this.#agent = agent;
    this.#owner = owner;
  }

  /** The same table for another owner. */
  as(owner: string): TableClient {
    return new TableClient(this.#agent, owner);
  }

  apply(changes: readonly Change[], options: ApplyOptions = {}): Promise<ApplyResponse__Output> {
    const { table, client } = this.#agent;
    const request = { table, owner: this.#owner, changes: [...changes], ...options };
    return unary((callback) => client.apply(request, deadline(), callback));
  }

  /** Puts resources; gives their entries, in order. */
  async put(...resources: readonly Resource[]): Promise<Entry__Output[]> {
    const { results } = await this.apply(resources.map((put) => ({ put })));
    return results.map(({ entry }) => {
      if (entry === null) throw new Error('a put has no entry');
      return entry;
    });
  }

  /** Removes resources, which must be there. */
  async delete(...resources: readonly Resource[]): Promise<void> {
    await this.apply(
      resources.map(({ mroute, membership: joined, interface: settings }) => ({
        deleteExisting: {
          ...(mroute?.key && { mroute: mroute.key }),
          ...(joined?.key && { membership: joined.key }),
          ...(settings?.key && { interface: settings.key }),
        },
      })),
    );
  }

  /** Makes the owner's resources exactly these. */
  replace(resources: readonly Resource[]): Promise<ReplaceResponse__Output> {
    const { table, client } = this.#agent;
    return unary((callback) => {
      const call = client.replace(deadline(), callback);
      call.write({ table, owner: this.#owner, resources: [...resources] });
      call.end();
    });
  }

  /** The entries of all owners, with counters. */
  async entries(): Promise<Entry__Output[]> {
    const { table, client } = this.#agent;
    const entries: Entry__Output[] = [];
    for await (const message of messages(client.list({ table, view: 'VIEW_FULL' }, deadline()))) {
      entries.push(...message.entries);
    }
    return entries;
  }

  /** The only entry of a resource's key. */
  async entry(resource: Resource): Promise<Entry__Output> {
    const found = (await this.entries()).filter((entry) => isOf(entry, resource));
    const [only] = found;
    if (only === undefined || found.length > 1) throw new Error(`there are ${found.length} entries, not one`);
    return only;
  }

  /** The kernel's forwarding cache as the agent keeps it, with counters. */
  async mfc(): Promise<MfcEntry__Output[]> {
    const { table, client } = this.#agent;
    const entries: MfcEntry__Output[] = [];
    for await (const message of messages(client.listMfc({ table, view: 'VIEW_FULL' }, deadline()))) {
      entries.push(...message.entries);
    }
    return entries;
  }

  async interfaces(): Promise<ReadonlyMap<string, InterfaceStatus__Output>> {
    const { table, client } = this.#agent;
    const { interfaces } = await unary<ListInterfacesResponse__Output>((callback) =>
      client.listInterfaces({ table }, deadline(), callback),
    );
    return new Map(interfaces.map((status) => [status.name, status]));
  }

  async mrules(): Promise<Mrule__Output[]> {
    const { table, client } = this.#agent;
    const { mrules } = await unary<ListMrulesResponse__Output>((callback) =>
      client.listMrules({ table }, deadline(), callback),
    );
    return mrules;
  }

  /** Drops learned flows; gives how many there were. */
  async flush(): Promise<number> {
    const { table, client } = this.#agent;
    const { dropped } = await unary<FlushResponse__Output>((callback) => client.flush({ table }, deadline(), callback));
    return dropped;
  }

  /** Takes away all that these owners want, and what was learned. */
  async clear(owners: readonly string[] = ['cli']): Promise<void> {
    for (const owner of owners) await this.as(owner).replace([]);
    await this.flush();
  }
}

/** Whether the entry has the resource's key. */
export function isOf({ resource }: Entry__Output, wanted: Resource): boolean {
  const isSame = (key: object | null | undefined, other: object | null | undefined) =>
    isThere(key) && isThere(other) && JSON.stringify({ ...KEY, ...key }) === JSON.stringify({ ...KEY, ...other });
  return (
    isSame(resource?.mroute?.key, wanted.mroute?.key) ||
    isSame(resource?.membership?.key, wanted.membership?.key) ||
    isSame(resource?.interface?.key, wanted.interface?.key)
  );
}

/** Codes of the warnings, in order. */
export function warningCodes({ warnings }: Pick<Entry__Output, 'warnings'>): string[] {
  return warnings.map(({ code }) => code);
}

function isThere(key: object | null | undefined): key is object {
  return key !== null && key !== undefined;
}

/** All fields of the keys, in one order. */
const KEY = { iif: '', interface: '', name: '', source: '', group: '' };

function deadline(): { deadline: Date } {
  return { deadline: deadlineAfter(WAIT_LIMIT_MS) };
}
