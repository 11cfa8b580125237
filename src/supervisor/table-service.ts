// TableService of proto/: convert, call the tables, convert back.
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { CreateTableRequest__Output } from '../api/generated/mcroute/v1/CreateTableRequest.js';
import type { ListTablesResponse } from '../api/generated/mcroute/v1/ListTablesResponse.js';
import type { TableServiceHandlers } from '../api/generated/mcroute/v1/TableService.js';
import { tableDefinition } from '../api/load.js';
import { Violations } from '../api/parse.js';
import { ApiError, toStatusObject } from '../api/status.js';
import { type RunningServer, serveOnSocket } from '../api/unix-server.js';
import { parseSettings, parseTable, renderEntry } from './convert.js';
import type { Tables, TableView } from './table.js';
import { TableWatchers } from './table-watchers.js';

export interface TableServiceOptions {
  /** Serves the gateway, which runs as this user; undefined within: as that of this process. */
  readonly forGateway?: { readonly user: number | undefined } | undefined;
  /** Called with what only a bug can throw. */
  readonly onBug: (error: unknown, method: string) => void;
}

/**
 * Serves TableService, grpc.health.v1 and reflection on a unix socket.
 *
 * @throws SocketError
 */
export async function serveTables(path: string, tables: Tables, options: TableServiceOptions): Promise<RunningServer> {
  const watchers = new TableWatchers(tables);
  try {
    return await serveOnSocket(path, {
      name: 'mcroute.v1.TableService',
      definition: tableDefinition(),
      handlers: { ...tableService(tables, watchers, options) },
      access: options.forGateway && { onlyUser: options.forGateway.user },
      cure: 'set another MCROUTE_RUNTIME_DIRECTORY',
      endStreams: () => {
        watchers.close();
      },
    });
  } catch (error) {
    watchers.close();
    throw error;
  }
}

function tableService(tables: Tables, watchers: TableWatchers, options: TableServiceOptions): TableServiceHandlers {
  return {
    CreateTable: unary(options, 'CreateTable', (request) => {
      if (options.forGateway !== undefined) refuseHostSettings(request);
      return create(tables, request);
    }),
    DeleteTable: unary(options, 'DeleteTable', async ({ table, forgetWishes }) => {
      await tables.delete(checkTable(table), { forgetsWishes: forgetWishes });
      return {};
    }),
    ListTables: unary(options, 'ListTables', ({ table }) => Promise.resolve(list(tables, table))),
    WatchTables: (call) => {
      try {
        watchers.add(call, call.request.table);
      } catch (error) {
        call.emit('error', toStatusObject(failure(options, 'WatchTables', error)));
      }
    },
    StartTable: unary(options, 'StartTable', async ({ table }) => entryOf(await tables.start(checkTable(table)))),
    StopTable: unary(options, 'StopTable', async ({ table, keepForwarding }) =>
      entryOf(await tables.stop(checkTable(table), { keepsForwarding: keepForwarding })),
    ),
    RestartTable: unary(options, 'RestartTable', async ({ table }) => entryOf(await tables.restart(checkTable(table)))),
  };
}

function unary<Request, Response>(
  options: TableServiceOptions,
  method: string,
  handle: (request: Request) => Promise<Response>,
) {
  const answer = async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    let response: Response;
    try {
      response = await handle(call.request);
    } catch (error) {
      callback(toStatusObject(failure(options, method, error)));
      return;
    }
    callback(null, response);
  };
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    // answer() catches everything itself.
    void answer(call, callback);
  };
}

/** The error that a caller gets; a bug is reported and told as INTERNAL. */
function failure(options: TableServiceOptions, method: string, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  options.onBug(error, method);
  return new ApiError('INTERNAL', `${method} failed because of a bug; the supervisor's log has more`);
}

function checkTable(table: number): number {
  const violations = new Violations();
  parseTable(table, violations);
  violations.throwIfAny();
  return table;
}

async function create(tables: Tables, request: CreateTableRequest__Output): Promise<{ entry: TableEntryMessage }> {
  const violations = new Violations();
  const table = parseTable(request.table, violations);
  const settings = parseSettings(request.settings, violations);
  violations.throwIfAny();
  return entryOf(await tables.create(table, settings));
}

/**
 * Settings that nobody far away may have, whatever the roles there: with them a gateway that was broken into would have
 * agents that are root, work in another network, or read files of the host.
 *
 * @throws ApiError PERMISSION_DENIED
 */
function refuseHostSettings({ settings }: CreateTableRequest__Output): void {
  const told = [
    ...(settings?.user ? ['user'] : []),
    ...(settings?.netns ? ['netns'] : []),
    ...(settings?.configFile ? ['config_file'] : []),
  ];
  if (told.length === 0) return;
  throw new ApiError(
    'PERMISSION_DENIED',
    `${told.join(', ')} of a table can be set only on the host itself: 'mcctl table create' there, or mcroute.yaml`,
  );
}

type TableEntryMessage = ReturnType<typeof renderEntry>;

function entryOf(view: TableView): { entry: TableEntryMessage } {
  return { entry: renderEntry(view) };
}

function list(tables: Tables, table: number): ListTablesResponse {
  if (table === 0) return { entries: tables.list().map(renderEntry) };
  const view = tables.get(table);
  if (view === undefined) {
    throw new ApiError('TABLE_NOT_FOUND', `there is no table ${table}: 'mcctl table list' has those that are there`);
  }
  return { entries: [renderEntry(view)] };
}
