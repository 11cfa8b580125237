// The services that every gRPC server has: health and reflection. Their packages read .proto files and make descriptors of
// all messages, which takes longer than everything else at the start of an agent; so they are loaded with the first call.
import type { HealthImplementation, ServingStatus } from 'grpc-health-check';
import { type LateMethod, type ServiceTaker, addLateService } from './late-service.js';

const HEALTH_METHODS: readonly LateMethod[] = [
  { name: 'Check', kind: 'unary' },
  { name: 'List', kind: 'unary' },
  { name: 'Watch', kind: 'server stream' },
];

const REFLECTION_METHODS: readonly LateMethod[] = [{ name: 'ServerReflectionInfo', kind: 'both streams' }];

/** grpc.health.v1 of services; '' is the server as a whole. */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>();
  #implementation: HealthImplementation | undefined;

  set(service: string, status: ServingStatus): void {
    this.#statuses.set(service, status);
    this.#implementation?.setStatus(service, status);
  }

  addTo(server: ServiceTaker): void {
    addLateService(server, 'grpc.health.v1.Health', HEALTH_METHODS, async () => {
      const { HealthImplementation } = await import('grpc-health-check');
      const health = new HealthImplementation(Object.fromEntries(this.#statuses));
      this.#implementation = health;
      return (taker) => {
        health.addToServer(taker);
      };
    });
  }
}

/** grpc.reflection of everything in proto/. */
export function addReflection(server: ServiceTaker): void {
  for (const version of ['v1', 'v1alpha']) {
    addLateService(server, `grpc.reflection.${version}.ServerReflection`, REFLECTION_METHODS, async () => {
      const { ReflectionService } = await import('@grpc/reflection');
      const { readDescriptors } = await import('./descriptors.js');
      const reflection = new ReflectionService(readDescriptors());
      return (taker) => {
        reflection.addToServer(taker);
      };
    });
  }
}
