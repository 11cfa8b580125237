// RoutingService of proto/: convert, call the engine, convert back. No state of its own but which requests were done.
import type { ServiceDefinition, handleClientStreamingCall, handleUnaryCall } from '@grpc/grpc-js';
import type { ReloadResponse } from '../../api/generated/mcroute/v1/ReloadResponse.js';
import type { ReplaceResponse } from '../../api/generated/mcroute/v1/ReplaceResponse.js';
import type {
  RoutingServiceDefinition,
  RoutingServiceHandlers,
} from '../../api/generated/mcroute/v1/RoutingService.js';
import { type ApplyCall, type ReplaceMessage, requestReader } from '../../api/requests.js';
import { renderFamily } from '../../api/render.js';
import { ApiError } from '../../api/status.js';
import {
  CHANGES_PER_APPLY_MAX,
  ELEMENTS_MAX,
  LISTS_MAX,
  LISTS_PER_CALLER_MAX,
  MESSAGE_MAX,
  VIF_LIMIT,
} from '../../model/limits.js';
import { apply } from './apply.js';
import { Reply, type ServiceOptions, refuseScope, streaming, unary } from './call.js';
import { CallSlots } from './call-slots.js';
import type { Caller } from './caller.js';
import { changesTrailer } from './changes-trailer.js';
import { DoneRequests } from './done-requests.js';
import { bytesOf, encodedCall } from './encoded.js';
import { confirm, listHistory, rollback } from './history.js';
import { renderInterfaces, renderMrules } from './kernel-views.js';
import { Lists, listMfc } from './list.js';
import { replace } from './replace.js';
import { WARNINGS_MAX } from './write-options.js';

/** Version of proto/mcroute/v1 that is served. */
const API_VERSION = '1.1.0';

/**
 * The handlers of RoutingService; the requests that may be large come as `readDefinition` reads them. Modify is a service of
 * its own making (modify.ts).
 */
export type RoutingHandlers = Omit<Named<RoutingServiceHandlers>, 'Apply' | 'Replace' | 'Modify'> & {
  readonly Apply: handleUnaryCall<ApplyCall, Buffer>;
  readonly Replace: handleClientStreamingCall<ReplaceMessage, ReplaceResponse>;
};

/** The members that have names of their own; the types of grpc-js allow any others. */
export type Named<Type> = { [Name in keyof Type as string extends Name ? never : Name]: Type[Name] };

/** Makes the handlers. */
export function routingService(options: ServiceOptions): RoutingHandlers {
  const { engine, watchers } = options;
  const lists = new Lists(engine);
  const slots = new CallSlots({ all: LISTS_MAX, perCaller: LISTS_PER_CALLER_MAX, what: 'lists' });
  const requests = new DoneRequests(options.changes, options.settled);
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
    Apply: unary(options, 'Apply', (request: ApplyCall, caller) => apply(options, requests, request, caller)),
    Replace: (call, callback) => {
      replace(options, requests, call, callback);
    },
    Confirm: unary(options, 'Confirm', (request, caller) => confirm(options, request, caller)),
    Rollback: unary(options, 'Rollback', (request, caller) => rollback(options, requests, request, caller)),
    ListHistory: streaming(options, 'ListHistory', (call, caller) =>
      slots.run(caller.author, () => listHistory(options, call.request, caller, call)),
    ),
    List: streaming(options, 'List', (call, { author, scope }) =>
      slots.run(author, () => lists.list(call.request, scope, encodedCall(call))),
    ),
    Watch: streaming(options, 'Watch', (call, { author, scope }) => {
      const after = call.request._afterRevision === undefined ? undefined : BigInt(call.request.afterRevision ?? 0);
      watchers.add(encodedCall(call), after, scope, author);
    }),
    ListMfc: streaming(options, 'ListMfc', (call, { author, scope }) =>
      slots.run(author, () => listMfc(engine, call.request, scope, encodedCall(call))),
    ),
    ListInterfaces: unary(options, 'ListInterfaces', (_request, { scope }) => ({
      interfaces: renderInterfaces(engine, options.linkProtocols, scope),
    })),
    ListMrules: unary(options, 'ListMrules', (_request, { scope }) => ({ mrules: renderMrules(engine, scope) })),
    Flush: unary(options, 'Flush', (_request, caller) => {
      refuseScope(caller, 'Flush');
      return { dropped: engine.flush() };
    }),
    Reload: unary(options, 'Reload', (_request, caller) => reload(options, caller)),
    Stop: unary(options, 'Stop', (_request, caller) => {
      refuseScope(caller, 'Stop');
      // After the reply.
      setImmediate(options.stop);
      return {};
    }),
  };
}

function reload({ reload: run }: ServiceOptions, caller: Caller): Reply<ReloadResponse> {
  if (run === undefined) {
    throw new ApiError('CONFIGURATION', 'this agent has no configuration file: start it with --file FILE');
  }
  const { author, scope } = caller;
  const result = run({ scope, origin: { method: 'Reload', author } });
  const { revision, effects, warnings, fileWarnings } = result;
  const response = {
    revision: revision.toString(),
    ...effects,
    warnings: [...fileWarnings, ...warnings.map(({ code, text }) => `${code}: ${text}`)].slice(0, WARNINGS_MAX),
  };
  return new Reply(response, changesTrailer(caller, result));
}

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
