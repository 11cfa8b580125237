// An agent without a kernel, in this process: RoutingService as proto/ tells it, over what owners want. For tests of
// clients; what it says of interfaces, rules and the forwarding cache is what the test gives it.
import { EventEmitter } from 'node:events';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { ApplyRequest__Output } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { ApplyResponse } from '../../src/api/generated/mcroute/v1/ApplyResponse.js';
import type { ConfirmRequest__Output } from '../../src/api/generated/mcroute/v1/ConfirmRequest.js';
import type { Filter__Output } from '../../src/api/generated/mcroute/v1/Filter.js';
import type { InterfaceStatus } from '../../src/api/generated/mcroute/v1/InterfaceStatus.js';
import type { ListResponse } from '../../src/api/generated/mcroute/v1/ListResponse.js';
import type { MfcEntry } from '../../src/api/generated/mcroute/v1/MfcEntry.js';
import type { ModifyRequest__Output } from '../../src/api/generated/mcroute/v1/ModifyRequest.js';
import type { ModifyResponse } from '../../src/api/generated/mcroute/v1/ModifyResponse.js';
import type { Mrule } from '../../src/api/generated/mcroute/v1/Mrule.js';
import type { ReloadResponse } from '../../src/api/generated/mcroute/v1/ReloadResponse.js';
import type { ReplaceRequest__Output } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import type { ReplaceResponse } from '../../src/api/generated/mcroute/v1/ReplaceResponse.js';
import type { RollbackRequest__Output } from '../../src/api/generated/mcroute/v1/RollbackRequest.js';
import type { RoutingServiceHandlers } from '../../src/api/generated/mcroute/v1/RoutingService.js';
import type { WatchRequest__Output } from '../../src/api/generated/mcroute/v1/WatchRequest.js';
import type { WatchResponse } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { CHANNEL_OPTIONS } from '../../src/api/client.js';
import { api } from '../../src/api/load.js';
import { Violations, parseChanges, parseGroupFilter, parseResources } from '../../src/api/parse.js';
import { parseOwner } from '../../src/api/parse-header.js';
import {
  EFFECTS,
  STATES,
  renderDifference,
  renderEntry,
  renderResourceKey,
  renderWarning,
} from '../../src/api/render.js';
import { ApiError, toStatusObject } from '../../src/api/status.js';
import { overlaps } from '../../src/model/address.js';
import type { Change } from '../../src/model/change.js';
import type { Resource } from '../../src/model/resource.js';
import type { Named } from '../../src/agent/service/routing-service.js';
import { FakeHistory } from './fake-history.js';
import { FakeTable, type FakeEntry } from './fake-table.js';

/** Entries in one message of a list. */
const ENTRIES_PER_MESSAGE = 256;

/** A double of an agent. */
export class FakeAgent implements AsyncDisposable {
  readonly table = new FakeTable();
  readonly history = new FakeHistory(this.table);
  readonly path: string;
  /** The table that it serves. */
  readonly number: number;
  interfaces: InterfaceStatus[] = [];
  mrules: Mrule[] = [];
  mfc: MfcEntry[] = [];
  /** Packets that each rule has counted, as digits. */
  packets = '0';
  /** Every call ends with it. */
  failure: ApiError | StatusObject | undefined;
  /** Whose resources commands change, as it says; empty as agents of earlier versions. */
  commandOwner = '';
  /** Calls are taken and never answered. */
  isSilent = false;
  /** Emits `call` with the method's name once a call has come, `message` with one of a Replace. */
  readonly events = new EventEmitter();
  /** What a reload answers. */
  reloaded: ReloadResponse = {};
  readonly #watches = new Set<ServerWritableStream<WatchRequest__Output, WatchResponse>>();
  #server: Server | undefined;

  private constructor(path: string, number: number) {
    this.path = path;
    this.number = number;
    this.table.onChange = (keys) => {
      for (const watch of this.#watches) this.#tell(watch, keys, false);
    };
  }

  /** Starts an agent at the socket. */
  static async listen(path: string, table = 5): Promise<FakeAgent> {
    const agent = new FakeAgent(path, table);
    await agent.start();
    return agent;
  }

  /** Serves; after `stop` again, with what it held. */
  async start(): Promise<void> {
    const server = new Server(CHANNEL_OPTIONS);
    server.addService(api().mcroute.v1.RoutingService.service, { ...this.#handlers() });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.path}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    this.#server = server;
  }

  /** Ends as a killed process does: connections break. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#watches.clear();
  }

  /** Ends all watches in the way of an agent that is stopped. */
  endWatches(error: ApiError | undefined): void {
    for (const watch of this.#watches) {
      if (error === undefined) watch.end();
      else watch.emit('error', toStatusObject(error));
    }
    this.#watches.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    return Promise.resolve();
  }

  #handlers(): Named<RoutingServiceHandlers> {
    return {
      Modify: (call) => {
        this.#modify(call);
      },
      Confirm: this.#unary('Confirm', ({ owner }: ConfirmRequest__Output) => this.history.confirm(owner)),
      Rollback: this.#unary('Rollback', (request: RollbackRequest__Output) =>
        this.history.rollback(request, optionsOf(request).expectedRevision),
      ),
      ListHistory: (call) => {
        const { owner, limit } = call.request;
        this.#stream('ListHistory', call, () => [{ entries: this.history.list(owner, limit) }]);
      },
      Reload: this.#unary('Reload', () => ({ revision: String(this.table.revision), ...this.reloaded })),
      Stop: this.#unary('Stop', () => {
        this.events.emit('stopped');
        return {};
      }),
      GetCapabilities: this.#unary('GetCapabilities', () => ({
        apiVersion: '1.1.0',
        serverVersion: '0.9.0',
        table: this.number,
        families: ['FAMILY_IPV4', 'FAMILY_IPV6'],
        vifLimit: 32,
        changesPerApply: 100_000,
        messageBytes: 16_777_216,
        realtimeUpcalls: true,
        commandOwner: this.commandOwner,
      })),
      Apply: this.#unary('Apply', (request: ApplyRequest__Output) => this.#apply(request)),
      Replace: (call, callback) => {
        const requests: ReplaceRequest__Output[] = [];
        call.on('data', (request: ReplaceRequest__Output) => {
          requests.push(request);
          this.events.emit('message', request);
        });
        call.on('error', () => undefined);
        if (this.#refuses('Replace', call, callback)) return;
        call.on('end', () => {
          this.#answer(callback, () => this.#replace(requests));
        });
      },
      List: (call) => {
        this.#stream('List', call, () => this.#list(call.request.filter, call.request.view === 'VIEW_FULL'));
      },
      Watch: (call) => {
        this.#startWatch(call);
      },
      ListMfc: (call) => {
        this.#stream('ListMfc', call, () => (this.mfc.length === 0 ? [] : [{ entries: this.mfc }]));
      },
      ListInterfaces: this.#unary('ListInterfaces', () => ({ interfaces: this.interfaces })),
      ListMrules: this.#unary('ListMrules', () => ({ mrules: this.mrules })),
      Flush: this.#unary('Flush', () => ({ dropped: this.mfc.filter(({ learned }) => learned).length })),
    };
  }

  #unary<Request extends { readonly table: number }, Response>(method: string, handle: (request: Request) => Response) {
    return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      if (this.#refuses(method, call, callback)) return;
      this.#answer(callback, () => {
        this.#checkTable(call.request.table);
        return handle(call.request);
      });
    };
  }

  #stream<Request extends { readonly table: number }, Response>(
    method: string,
    call: ServerWritableStream<Request, Response>,
    handle: () => readonly Response[],
  ): void {
    const fail = (error: Partial<StatusObject>) => call.emit('error', error);
    if (this.#refuses(method, call, fail)) return;
    try {
      this.#checkTable(call.request.table);
      for (const message of handle()) call.write(message);
      call.end();
    } catch (error) {
      fail(statusOf(error));
    }
  }

  /** Announces the call; true if it has failed or is never answered. */
  #refuses(method: string, call: unknown, fail: (error: Partial<StatusObject>) => unknown): boolean {
    this.events.emit('call', method, call);
    if (this.failure !== undefined) fail(statusOf(this.failure));
    return this.isSilent || this.failure !== undefined;
  }

  #answer<Response>(callback: sendUnaryData<Response>, handle: () => Response): void {
    let response: Response;
    try {
      response = handle();
    } catch (error) {
      callback(statusOf(error));
      return;
    }
    callback(null, response);
  }

  #checkTable(table: number): void {
    if (table === 0 || table === this.number) return;
    throw new ApiError('TABLE_NOT_FOUND', `this agent serves table ${this.number}, not ${table}`);
  }

  #apply(request: ApplyRequest__Output): ApplyResponse {
    const violations = new Violations();
    const owner = parseOwner(request.owner, violations);
    const changes = parseChanges(request.changes, violations);
    violations.throwIfAny();
    const before = this.table.resourcesOf(owner);
    const { results, counts, confirmDeadline } = this.history.write('Apply', request, () => {
      const results = this.table.apply(owner, changes, optionsOf(request));
      const counts = { added: 0, changed: 0, removed: 0, unchanged: 0 };
      for (const { effect } of results) counts[effect]++;
      return { results, counts, ...counts };
    });
    const all = results.map(({ effect, warnings, entry }, index) => ({
      id: request.changes[index]?.id ?? '0',
      effect: EFFECTS[effect],
      entry: entry === undefined ? null : renderEntry(entry.resource, entry.owners, entry.status),
      warnings: warnings.map(renderWarning),
    }));
    const notable = all.filter(
      ({ warnings, entry }) =>
        warnings.length + (entry?.warnings?.length ?? 0) > 0 || (entry !== null && entry.state !== 'STATE_PROGRAMMED'),
    );
    return {
      revision: String(this.table.revision),
      results: request.results === 'RESULT_VIEW_NOTABLE' ? notable : all,
      ...counts,
      differences: request.validateOnly ? differencesBy(before, changes).map(renderDifference) : [],
      confirmDeadline,
    };
  }

  #replace(requests: readonly ReplaceRequest__Output[]): ReplaceResponse {
    const violations = new Violations();
    const [first] = requests;
    if (first === undefined) throw new ApiError('INVALID_FIELD', 'owner: is required in the first message');
    this.#checkTable(first.table);
    parseOwner(first.owner, violations);
    const resources: Resource[] = [];
    for (const request of requests) {
      resources.push(...parseResources(request.resources, resources.length, violations));
    }
    violations.throwIfAny();
    const { differences, warnings, ...counts } = this.history.write('Replace', first, () =>
      this.table.replace(first.owner, resources, optionsOf(first)),
    );
    return {
      revision: String(this.table.revision),
      ...counts,
      differences: (first.validateOnly ? differences : []).map(renderDifference),
      warnings: warnings.map(renderWarning),
    };
  }

  /** One session, which is always the primary. */
  #modify(call: ServerDuplexStream<ModifyRequest__Output, ModifyResponse>): void {
    const fail = (error: Partial<StatusObject>) => call.emit('error', error);
    if (this.#refuses('Modify', call, fail)) return;
    let owner = '';
    let batch = 0;
    call.on('error', () => undefined);
    call.on('data', ({ session, changes }: ModifyRequest__Output) => {
      if (session) {
        ({ owner } = session);
        const state = { isPrimary: true, hasPrimary: true, highestElectionId: session.electionId };
        call.write({ revision: String(this.table.revision), session: state });
      }
      if (!changes) return;
      batch++;
      try {
        const options = { validateOnly: false, strict: false, expectedRevision: undefined };
        const violations = new Violations();
        const parsed = parseChanges(changes.changes, violations);
        violations.throwIfAny();
        const results = this.table.apply(owner, parsed, options).map(({ effect, entry }, index) => ({
          id: changes.changes[index]?.id ?? '0',
          effect: EFFECTS[effect],
          entry: entry === undefined ? null : renderEntry(entry.resource, entry.owners, entry.status),
        }));
        call.write({ revision: String(this.table.revision), batch: String(batch), results });
      } catch (error) {
        fail(statusOf(error));
      }
    });
    call.on('end', () => {
      call.end();
    });
  }

  #list(filter: Filter__Output | null, isFull: boolean): ListResponse[] {
    const violations = new Violations();
    const text = filter?.group ?? '';
    const group = text === '' ? undefined : parseGroupFilter(text, 'filter.group', violations);
    violations.throwIfAny();
    const entries = this.table
      .entries()
      .filter(({ resource, owners, status }) => {
        const { key } = resource;
        const { owner = '', kinds = [], states = [], interface: name = '' } = filter ?? {};
        return (
          (owner === '' || owners.includes(owner)) &&
          (kinds.length === 0 || kinds.includes(`KIND_${key.kind.toUpperCase()}` as 'KIND_MROUTE')) &&
          (states.length === 0 || states.includes(STATES[status.state])) &&
          (group === undefined || (key.kind !== 'interface' && overlaps(group, key.group))) &&
          (name === '' || JSON.stringify(resource).includes(`"${name}"`))
        );
      })
      .map(({ resource, owners, status }) => ({
        ...renderEntry(resource, owners, status),
        counters:
          isFull && resource.key.kind === 'mroute' ? { packets: this.packets, bytes: '64', wrongIf: '1' } : null,
      }));
    const messages: ListResponse[] = [];
    for (let start = 0; start === 0 || start < entries.length; start += ENTRIES_PER_MESSAGE) {
      messages.push({
        revision: String(this.table.revision),
        entries: entries.slice(start, start + ENTRIES_PER_MESSAGE),
      });
    }
    return messages;
  }

  #startWatch(call: ServerWritableStream<WatchRequest__Output, WatchResponse>): void {
    if (this.#refuses('Watch', call, (error) => call.emit('error', error))) return;
    const after = call.request._afterRevision === undefined ? undefined : Number(call.request.afterRevision);
    const keys = after === undefined ? this.table.keys() : this.table.changedAfter(after);
    if (keys === undefined) {
      call.emit('error', toStatusObject(new ApiError('REVISION_COMPACTED', `revision ${after ?? 0} is too old`)));
      return;
    }
    this.#watches.add(call);
    call.once('cancelled', () => {
      this.#watches.delete(call);
      this.events.emit('cancelled');
    });
    this.#tell(call, keys, true);
  }

  #tell(
    watch: ServerWritableStream<WatchRequest__Output, WatchResponse>,
    keys: readonly string[],
    isSynced: boolean,
  ): void {
    const events: WatchResponse['events'] = keys.map((text) => {
      const entries = this.table.entriesOf(text);
      const key = this.table.keyOf(text);
      if (entries.length === 0 && key !== undefined) return { delete: renderResourceKey(key) };
      return { put: { entries: entries.map((one) => renderFake(one)) } };
    });
    if (isSynced) events.push({ synced: {} });
    watch.write({ revision: String(this.table.revision), events });
  }
}

/** What changes would make different. */
function differencesBy(before: readonly Resource[], changes: readonly Change[]) {
  const table = new FakeTable();
  const options = { validateOnly: false, strict: false, expectedRevision: undefined };
  table.replace('', before, options);
  table.apply('', changes, options);
  const after = table.resourcesOf('');
  const held = new FakeTable();
  held.replace('', before, options);
  return held.replace('', after, options).differences;
}

function renderFake({ resource, owners, status }: FakeEntry) {
  return renderEntry(resource, owners, status);
}

function optionsOf(request: {
  readonly validateOnly: boolean;
  readonly strict: boolean;
  readonly _expectedRevision?: 'expectedRevision';
  readonly expectedRevision?: string;
}) {
  return {
    validateOnly: request.validateOnly,
    strict: request.strict,
    expectedRevision: request._expectedRevision === undefined ? undefined : Number(request.expectedRevision),
  };
}

function statusOf(error: unknown): StatusObject | Partial<StatusObject> {
  if (error instanceof ApiError) return toStatusObject(error);
  if (error instanceof Error) return { code: status.INTERNAL, details: error.stack ?? error.message };
  return error as StatusObject;
}
