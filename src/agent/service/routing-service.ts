// RoutingService of proto/: convert, call the engine, convert back. No state of its own.
import type {
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { ReloadResponse } from '../../api/generated/mcroute/v1/ReloadResponse.js';
import type { ReplaceResponse } from '../../api/generated/mcroute/v1/ReplaceResponse.js';
import type {
  RoutingServiceDefinition,
  RoutingServiceHandlers,
} from '../../api/generated/mcroute/v1/RoutingService.js';
import { encodeApplyResponse } from '../../api/apply-encoder.js';
import { Violations, parseOwner } from '../../api/parse.js';
import type { RequestHeader } from '../../api/request-decoder.js';
import { type ApplyCall, type ReplaceMessage, requestReader } from '../../api/requests.js';
import { renderFamily, renderResource, renderWarning } from '../../api/render.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import {
  CHANGES_PER_APPLY_MAX,
  ELEMENTS_MAX,
  MESSAGE_MAX,
  RESOURCES_PER_TABLE_MAX,
  VIF_LIMIT,
} from '../../model/limits.js';
import { CONFIG_OWNER } from '../../model/owner.js';
import type { Resource } from '../../model/resource.js';
import type { Difference } from '../rib/rib.js';
import type { ApplyOptions, Engine } from '../engine.js';
import type { ReloadResult } from '../file-wishes.js';
import { bytesOf, encodedCall } from './encoded.js';
import { toApiError } from './errors.js';
import { renderInterfaces, renderMrules } from './kernel-views.js';
import type { LinkProtocolViews } from './link-protocol-views.js';
import { Lists, listMfc } from './list.js';
import { ListSlots } from './stream.js';
import type { Watchers } from './watchers.js';

export interface ServiceOptions {
  readonly engine: Engine;
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
  readonly reload: (() => ReloadResult) | undefined;
  /** Ends the agent, in order. */
  readonly stop: () => void;
  /** Called with what only a bug can throw. */
  readonly onBug: (error: unknown, method: string) => void;
}

/** Version of proto/mcroute/v1 that is served. */
const API_VERSION = '1.0.0';

/** Differences that a dry run of Replace shows at most, and warnings of any Replace. */
const DIFFERENCES_MAX = 10_000;
const WARNINGS_MAX = 1_000;

/** The handlers of RoutingService; the requests that may be large come as `readDefinition` reads them. */
export type RoutingHandlers = Omit<
  Named<RoutingServiceHandlers>,
  'Apply' | 'Replace' | 'Modify' | 'Confirm' | 'Rollback' | 'ListHistory'
> & {
  readonly Apply: handleUnaryCall<ApplyCall, Buffer>;
  readonly Replace: handleClientStreamingCall<ReplaceMessage, ReplaceResponse>;
};

/** The members that have names of their own; the types of grpc-js allow any others. */
export type Named<Type> = { [Name in keyof Type as string extends Name ? never : Name]: Type[Name] };

/** Makes the handlers. */
export function routingService(options: ServiceOptions): RoutingHandlers {
  const { engine, watchers } = options;
  const lists = new Lists(engine);
  const slots = new ListSlots();
  return {
    GetCapabilities: unary(options, 'GetCapabilities', () => ({
      apiVersion: API_VERSION,
      serverVersion: options.version,
      table: engine.table,
      families: engine.families.map(renderFamily),
      vifLimit: VIF_LIMIT,
      changesPerApply: CHANGES_PER_APPLY_MAX,
      messageBytes: MESSAGE_MAX,
      realtimeUpcalls: options.isRealtime,
      commandOwner: options.commandOwner,
    })),
    Apply: unary(options, 'Apply', async (request: ApplyCall) => {
      if (request.refusal !== undefined) throw request.refusal;
      refuseFileOwner(options, request.owner);
      const response = apply(engine, request);
      await options.settled();
      return response;
    }),
    Replace: (call, callback) => {
      replace(options, call, callback);
    },
    List: streaming(options, 'List', (call) => slots.run(() => lists.list(call.request, encodedCall(call)))),
    Watch: streaming(options, 'Watch', (call) => {
      const after = call.request._afterRevision === undefined ? undefined : BigInt(call.request.afterRevision ?? 0);
      watchers.add(encodedCall(call), after);
    }),
    ListMfc: streaming(options, 'ListMfc', (call) => slots.run(() => listMfc(engine, call.request, encodedCall(call)))),
    ListInterfaces: unary(options, 'ListInterfaces', () => ({
      interfaces: renderInterfaces(engine, options.linkProtocols),
    })),
    ListMrules: unary(options, 'ListMrules', () => ({ mrules: renderMrules(engine) })),
    Flush: unary(options, 'Flush', () => ({ dropped: engine.flush() })),
    Reload: unary(options, 'Reload', () => reload(options)),
    Stop: unary(options, 'Stop', () => {
      // After the reply.
      setImmediate(options.stop);
      return {};
    }),
  };
}

interface TableRequest {
  readonly table: number;
}

/** What the file says would take the change back at the next reload, which is wanted where commands are this owner's. */
function refuseFileOwner({ reload: run, commandOwner }: ServiceOptions, owner: string): void {
  if (run === undefined || owner !== CONFIG_OWNER || commandOwner === CONFIG_OWNER) return;
  const description = `'${CONFIG_OWNER}' is the owner of what is in the configuration file: change that and reload, or use another owner`;
  throw new ApiError('INVALID_FIELD', `owner: ${description}`, { violations: [{ field: 'owner', description }] });
}

function checkTable(engine: Engine, table: number): void {
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
function failure(options: ServiceOptions, method: string, error: unknown): ApiError {
  const known = toApiError(error);
  if (known !== undefined) return known;
  options.onBug(error, method);
  return new ApiError('INTERNAL', `${method} failed because of a bug; the agent's log has more`);
}

function unary<Request extends TableRequest, Response>(
  options: ServiceOptions,
  method: string,
  handle: (request: Request) => Response | Promise<Response>,
) {
  const run = async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    let response: Response;
    try {
      checkTable(options.engine, call.request.table);
      response = await handle(call.request);
    } catch (error) {
      callback(toStatusObject(failure(options, method, error)));
      return;
    }
    callback(null, response);
  };
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    // run() catches everything itself.
    void run(call, callback);
  };
}

function streaming<Request extends TableRequest, Response>(
  options: ServiceOptions,
  method: string,
  handle: (call: ServerWritableStream<Request, Response>) => Promise<void> | void,
): handleServerStreamingCall<Request, Response> {
  const run = async (call: ServerWritableStream<Request, Response>) => {
    try {
      checkTable(options.engine, call.request.table);
      await handle(call);
    } catch (error) {
      if (!call.cancelled) call.emit('error', toStatusObject(failure(options, method, error)));
    }
  };
  return (call) => {
    // run() catches everything itself.
    void run(call);
  };
}

function apply(engine: Engine, request: ApplyCall): Buffer {
  const violations = new Violations();
  const owner = parseOwner(request.owner, violations);
  const { ids } = request;
  if (ids.length > CHANGES_PER_APPLY_MAX) {
    throw new ApiError(
      'RESOURCE_LIMIT',
      `${ids.length} changes are more than the ${CHANGES_PER_APPLY_MAX} of one Apply: use Replace, or several Applies`,
    );
  }
  const changes = request.parse(violations);
  violations.throwIfAny();
  const { revision, results, effects } = engine.apply(owner, changes, {
    ...applyOptions(request),
    results: request.isNotableOnly ? 'notable' : 'all',
  });
  const told = results.map((result) => ({ ...result, id: ids[result.index] ?? 0 }));
  return encodeApplyResponse(revision, told, effects);
}

function applyOptions({ validateOnly, strict, expectedRevision }: RequestHeader): ApplyOptions {
  return { validateOnly, strict, expectedRevision };
}

function reload({ reload: run }: ServiceOptions): ReloadResponse {
  if (run === undefined) {
    throw new ApiError('CONFIGURATION', 'this agent has no configuration file: start it with --file FILE');
  }
  const { revision, effects, warnings, fileWarnings } = run();
  return {
    revision: revision.toString(),
    ...effects,
    warnings: [...fileWarnings, ...warnings.map(({ code, text }) => `${code}: ${text}`)].slice(0, WARNINGS_MAX),
  };
}

/** Collects what the client sends; the wish takes effect as a whole when it half-closes. */
function replace(
  options: ServiceOptions,
  call: ServerReadableStream<ReplaceMessage, ReplaceResponse>,
  callback: sendUnaryData<ReplaceResponse>,
): void {
  const violations = new Violations();
  const resources: Resource[] = [];
  let received = 0;
  let first: ReplaceMessage | undefined;
  let isAnswered = false;
  const refuse = (error: unknown) => {
    if (isAnswered) return;
    isAnswered = true;
    resources.length = 0;
    callback(toStatusObject(failure(options, 'Replace', error)));
  };
  call.on('data', (request: ReplaceMessage) => {
    if (isAnswered) return;
    try {
      const { refusal, size } = request;
      if (refusal !== undefined) throw refusal;
      first ??= checkFirst(options.engine, request, violations);
      if (received + size > RESOURCES_PER_TABLE_MAX) {
        throw new ApiError(
          'RESOURCE_LIMIT',
          `more than ${RESOURCES_PER_TABLE_MAX} resources are more than a table holds`,
        );
      }
      // Not spread into one push: arguments are on the stack, which takes some hundred thousand.
      for (const resource of request.parse(received, violations)) resources.push(resource);
      received += size;
    } catch (error) {
      refuse(error);
    }
  });
  const finish = async () => {
    if (isAnswered) return;
    try {
      first ??= checkFirst(options.engine, NO_MESSAGE, violations);
      checkCount(first, received, violations);
      violations.throwIfAny();
      refuseFileOwner(options, first.owner);
      const response = replaceOwner(options.engine, first, resources);
      await options.settled();
      isAnswered = true;
      callback(null, response);
    } catch (error) {
      refuse(error);
    }
  };
  // A stream that is reset, or loses its connection, ends too; `cancelled` comes in a later tick of the same turn.
  call.on('end', () =>
    setImmediate(() => {
      // finish() catches everything itself.
      void finish();
    }),
  );
  call.on('cancelled', () => {
    isAnswered = true;
    resources.length = 0;
  });
  // A broken stream is the client's affair; what it had sent has no effect.
  call.on('error', () => undefined);
}

/** What a client that half-closes at once has asked for: nothing, for nobody. */
const NO_MESSAGE: ReplaceMessage = {
  table: 0,
  owner: '',
  validateOnly: false,
  strict: false,
  expectedRevision: undefined,
  resourceCount: undefined,
  refusal: undefined,
  size: 0,
  parse: () => [],
};

/**
 * The definition of proto/ in which the requests that may be large are read at once for what they are, those that are too
 * costly to decode are left undecoded, and Apply answers bytes.
 */
export function readDefinition(definition: RoutingServiceDefinition): ServiceDefinition {
  const { Apply, Replace } = definition;
  const reader = requestReader({ apply: Apply.requestDeserialize, replace: Replace.requestDeserialize }, ELEMENTS_MAX);
  return {
    ...definition,
    Apply: { ...Apply, requestDeserialize: reader.apply, responseSerialize: bytesOf },
    Replace: { ...Replace, requestDeserialize: reader.replace },
  };
}

function checkFirst(engine: Engine, request: ReplaceMessage, violations: Violations): ReplaceMessage {
  checkTable(engine, request.table);
  parseOwner(request.owner, violations);
  return request;
}

/** A client that gave up in the middle may look like one that is done. */
function checkCount({ resourceCount: announced }: ReplaceMessage, received: number, violations: Violations): void {
  if (announced === undefined || announced === received) return;
  violations.add(
    'resource_count',
    `${announced} resources were announced and ${received} came: send all of them again`,
  );
}

function replaceOwner(engine: Engine, request: ReplaceMessage, resources: readonly Resource[]): ReplaceResponse {
  const { revision, step, effects, warnings } = engine.replace(request.owner, resources, applyOptions(request));
  const differences = request.validateOnly ? [...step.differences.values()].slice(0, DIFFERENCES_MAX) : [];
  return {
    revision: revision.toString(),
    ...effects,
    differences: differences.map(renderDifference),
    warnings: warnings.slice(0, WARNINGS_MAX).map(renderWarning),
  };
}

function renderDifference({ before, after }: Difference) {
  return {
    before: before === undefined ? null : renderResource(before),
    after: after === undefined ? null : renderResource(after),
  };
}
