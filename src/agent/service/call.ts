// What the handlers of RoutingService share: what they are given, who may call, how calls end.
import type {
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
  handleServerStreamingCall,
  sendUnaryData,
} from '@grpc/grpc-js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { CONFIG_OWNER } from '../../model/owner.js';
import { scopeIsWhole } from '../../model/scope.js';
import type { Engine } from '../engine.js';
import type { ReloadOptions, ReloadResult } from '../file-wishes.js';
import type { SafeChanges } from '../history/safe-changes.js';
import type { Sessions } from '../sessions/sessions.js';
import { type Caller, callerOf } from './caller.js';
import { toApiError } from './errors.js';
import type { LinkProtocolViews } from './link-protocol-views.js';
import type { Watchers } from './watchers.js';

export interface ServiceOptions {
  readonly engine: Engine;
  /** What was changed, and how it is taken back. */
  readonly changes: SafeChanges;
  /** Of controllers. */
  readonly sessions: Sessions;
  /** Undefined: nothing is told of them. */
  readonly linkProtocols?: LinkProtocolViews;
  readonly watchers: Watchers;
  /** Version of the program. */
  readonly version: string;
  readonly isRealtime: boolean;
  /** Whose resources the commands of smcroutectl change. */
  readonly commandOwner: string;
  /** Resolves when what the engine has taken until now is saved. Rejects if it cannot be, and is taken back then. */
  readonly settled: () => Promise<void>;
  /** Reads the configuration file again; undefined if there is none. Throws what says why it cannot be used. */
  readonly reload: ((options: ReloadOptions) => ReloadResult) | undefined;
  /** Ends the agent, in order. */
  readonly stop: () => void;
  /** Called with what only a bug can throw. */
  readonly onBug: (error: unknown, method: string) => void;
}

/** A request to the agent of a table. */
export interface TableRequest {
  readonly table: number;
}

/** What the file says would take the change back at the next reload, which is wanted where commands are this owner's. */
export function refuseFileOwner({ reload: run, commandOwner }: ServiceOptions, owner: string): void {
  if (run === undefined || owner !== CONFIG_OWNER || commandOwner === CONFIG_OWNER) return;
  const description = `'${CONFIG_OWNER}' is the owner of what is in the configuration file: change that and reload, or use another owner`;
  throw new ApiError('INVALID_FIELD', `owner: ${description}`, { violations: [{ field: 'owner', description }] });
}

/** @throws ApiError PERMISSION_DENIED if the call touches more than the caller may change. */
export function refuseScope({ scope, author }: Caller, what: string): void {
  if (scope === undefined || scopeIsWhole(scope)) return;
  throw new ApiError('PERMISSION_DENIED', `${what} touches the whole table, of which only a part is yours to change`, {
    metadata: { identity: author },
  });
}

export function checkTable(engine: Engine, table: number): void {
  if (table === 0 || table === engine.table) return;
  throw new ApiError(
    'TABLE_NOT_FOUND',
    `this agent serves table ${engine.table}, not ${table}: ask that table's agent`,
    {
      metadata: { table: String(engine.table) },
    },
  );
}

/** The error that a caller gets; a bug is reported and told as INTERNAL. */
export function failure(options: ServiceOptions, method: string, error: unknown, author = ''): ApiError {
  const known = toApiError(error, author);
  if (known !== undefined) return known;
  options.onBug(error, method);
  return new ApiError('INTERNAL', `${method} failed because of a bug; the agent's log has more`);
}

/** A reply, and what goes with it in the trailer. */
export class Reply<Response> {
  readonly response: Response;
  readonly trailer: Metadata | undefined;

  constructor(response: Response, trailer: Metadata | undefined) {
    this.response = response;
    this.trailer = trailer;
  }
}

/** The handler of a method with one request and one response. */
export function unary<Request extends TableRequest, Response>(
  options: ServiceOptions,
  method: string,
  handle: (request: Request, caller: Caller) => Response | Reply<Response> | Promise<Response | Reply<Response>>,
) {
  const run = async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    let result: Response | Reply<Response>;
    let author = '';
    try {
      checkTable(options.engine, call.request.table);
      const caller = callerOf(call);
      ({ author } = caller);
      result = await handle(call.request, caller);
    } catch (error) {
      callback(toStatusObject(failure(options, method, error, author)));
      return;
    }
    if (result instanceof Reply) callback(null, result.response, result.trailer);
    else callback(null, result);
  };
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    // run() catches everything itself.
    void run(call, callback);
  };
}

/** The handler of a method with a stream of responses. */
export function streaming<Request extends TableRequest, Response>(
  options: ServiceOptions,
  method: string,
  handle: (call: ServerWritableStream<Request, Response>, caller: Caller) => Promise<void> | void,
): handleServerStreamingCall<Request, Response> {
  const run = async (call: ServerWritableStream<Request, Response>) => {
    try {
      checkTable(options.engine, call.request.table);
      await handle(call, callerOf(call));
    } catch (error) {
      if (!call.cancelled) call.emit('error', toStatusObject(failure(options, method, error)));
    }
  };
  return (call) => {
    // run() catches everything itself.
    void run(call);
  };
}
