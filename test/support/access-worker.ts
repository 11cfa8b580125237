// Run as some user: asks the gateway at a unix socket who it is, and changes a table. Prints what it heard as JSON; no
// `identity` if the socket could not be reached.
import { credentials } from '@grpc/grpc-js';
import { connectToGateway, unary } from '../../src/api/client.js';
import type { WhoAmIResponse__Output } from '../../src/api/generated/mcroute/v1/WhoAmIResponse.js';
import { ApiError } from '../../src/api/status.js';
import { deadline } from './calls.js';

const [path = '', table = ''] = process.argv.slice(2);
using connection = connectToGateway(`unix:${path}`, credentials.createInsecure());
process.stdout.write(JSON.stringify(await ask()));

async function ask(): Promise<{ readonly identity?: string; readonly refusal: string }> {
  let identity: string | undefined;
  try {
    const who = await unary<WhoAmIResponse__Output>((callback) => connection.gateway.WhoAmI({}, deadline(), callback));
    identity = who.identity;
    const mroute = {
      key: { iif: 'in0', source: '10.9.0.1', group: `239.3.0.${process.getuid?.() === 0 ? 1 : 2}` },
      oifs: [{ interface: 'out1' }],
    };
    const request = { table: Number(table), owner: 'local', changes: [{ put: { mroute } }] };
    await unary((callback) => connection.routing.Apply(request, deadline(), callback));
    return { identity, refusal: '' };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { ...(identity !== undefined && { identity }), refusal: error.message };
  }
}
