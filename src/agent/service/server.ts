// The gRPC server of an agent on its unix socket.
import { routingDefinition } from '../../api/load.js';
import { type RunningServer, type ServedSocket, serveOnSocket } from '../../api/unix-server.js';
import { servingBytes } from './encoded.js';
import { type ModifyCall, modifyStreams } from './modify.js';
import type { ServiceOptions } from './call.js';
import { readDefinition, routingService } from './routing-service.js';

export type { RunningServer, ServedSocket } from '../../api/unix-server.js';

/**
 * Serves RoutingService, grpc.health.v1 and reflection on a unix socket.
 *
 * @throws SocketError
 */
export function serve(socket: ServedSocket, options: ServiceOptions): Promise<RunningServer> {
  const modify = modifyStreams(options);
  return serveOnSocket(socket, {
    name: 'mcroute.v1.RoutingService',
    definition: readDefinition(servingBytes(routingDefinition())),
    handlers: {
      ...routingService(options),
      Modify: (call: ModifyCall) => {
        modify.add(call);
      },
    },
    cure: 'choose another --socket',
    endStreams: () => {
      options.watchers.close();
      modify.close();
    },
  });
}
