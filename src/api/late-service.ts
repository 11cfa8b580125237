// Services that are seldom asked: what they need is loaded with the first call, not at every start.
import type {
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js';

/** A method of a late service, as its .proto has it. */
export interface LateMethod {
  readonly name: string;
  readonly kind: 'unary' | 'server stream' | 'both streams';
}

/** What an implementation adds itself to: the part of a server that takes services. */
export type ServiceTaker = Pick<Server, 'addService'>;

/**
 * Adds a service by its names. With its first call `load` is asked for what implements it, which adds itself to a taker
 * with the service of the same name and maybe others.
 */
export function addLateService(
  server: ServiceTaker,
  name: string,
  methods: readonly LateMethod[],
  load: () => Promise<(taker: ServiceTaker) => void>,
): void {
  let loading: Promise<void> | undefined;
  const loaded = new Map<string, LoadedMethod>();
  const loadOnce = () => {
    loading ??= load().then((addTo) => {
      addTo({
        addService: (definition, handlers) => {
          for (const method of loadedMethods(definition, handlers)) loaded.set(method.definition.path, method);
        },
      });
    });
    return loading;
  };
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of methods) {
    const path = `/${name}/${method.name}`;
    const find = () => {
      const found = loaded.get(path);
      if (found === undefined) throw new Error(`bug: nothing serves ${path}`);
      return found;
    };
    definition[method.name] = lateDefinition(path, method, find);
    handlers[method.name] = lateHandler(method, loadOnce, find);
  }
  server.addService(definition, handlers);
}

/** A method of a service that is there. */
interface LoadedMethod {
  readonly definition: ServiceDefinition[string];
  readonly handler: UntypedHandleCall;
}

function loadedMethods(service: ServiceDefinition, handlers: UntypedServiceImplementation): LoadedMethod[] {
  return Object.entries(service).map(([name, definition]) => {
    const handler = handlers[name] ?? handlers[definition.originalName ?? name];
    if (handler === undefined) throw new Error(`bug: ${definition.path} has no handler`);
    return { definition, handler };
  });
}

function lateDefinition(path: string, { kind }: LateMethod, find: () => LoadedMethod): ServiceDefinition[string] {
  return {
    path,
    requestStream: kind === 'both streams',
    responseStream: kind !== 'unary',
    requestSerialize: (message: unknown) => find().definition.requestSerialize(message),
    // A request that comes alone comes before the handler is called, so that what can read it may be missing yet.
    requestDeserialize: (bytes: Buffer): unknown =>
      kind === 'both streams' ? find().definition.requestDeserialize(bytes) : bytes,
    responseSerialize: (message: unknown) => find().definition.responseSerialize(message),
    responseDeserialize: (bytes: Buffer): unknown => find().definition.responseDeserialize(bytes),
  };
}

type Unary = ServerUnaryCall<unknown, unknown>;
type ServerStream = ServerWritableStream<unknown, unknown>;
type BothStreams = ServerDuplexStream<unknown, unknown>;

function lateHandler({ kind }: LateMethod, load: () => Promise<void>, find: () => LoadedMethod): UntypedHandleCall {
  const readRequest = (call: Unary | ServerStream) => {
    call.request = find().definition.requestDeserialize(call.request as Buffer);
  };
  const whenLoaded = (serve: () => void, fail: (error: Error) => void) => {
    load().then(serve).catch(fail);
  };
  switch (kind) {
    case 'unary':
      return (call: Unary, callback: sendUnaryData<unknown>) => {
        const serve = () => {
          readRequest(call);
          (find().handler as (call: Unary, callback: sendUnaryData<unknown>) => void)(call, callback);
        };
        whenLoaded(serve, callback);
      };
    case 'server stream':
      return (call: ServerStream) => {
        const serve = () => {
          readRequest(call);
          (find().handler as (call: ServerStream) => void)(call);
        };
        whenLoaded(serve, (error) => call.destroy(error));
      };
    case 'both streams':
      return (call: BothStreams) => {
        const serve = () => {
          (find().handler as (call: BothStreams) => void)(call);
        };
        whenLoaded(serve, (error) => call.destroy(error));
      };
  }
}
