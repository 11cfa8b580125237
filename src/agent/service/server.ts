// The gRPC server of an agent on its unix socket.
import { routingDefinition } from '../../api/load.js';
import { type RunningServer, type ServedSocket, serveOnSocket } from '../../api/unix-server.js';
import { servingBytes } from './encoded.js';
import { readDefinition, routingService, type ServiceOptions } from './routing-service.js';

export type { RunningServer, ServedSocket } from '../../api/unix-server.js';

/**
 * Serves RoutingService, grpc.health.v1 and reflection on a unix socket.
 *
 * @throws SocketError
 */
export function serve(socket: ServedSocket, options: ServiceOptions): Promise<RunningServer> {
  return serveOnSocket(socket, {
    name: 'mcroute.v1.RoutingService',
    definition: readDefinition(servingBytes(routingDefinition())),
    handlers: { ...routingService(options) },
    cure: 'choose another --socket',
    endStreams: () => {
      options.watchers.close();
    },
  });
}
