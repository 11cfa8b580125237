// A controller that is there to be killed: it puts routes as fast as it is let, and says what it was told.
//
//   node session-worker.js SOCKET TABLE OWNER COUNT
//
// Route N of COUNT is `(*, 239.N/256.N%256.1) in0 > out1`, in batches of 100. It prints `primary`, and `batch N` for each
// batch whose results came.
import { connectToSocket } from '../../src/api/client.js';
import { SessionClient } from './session-client.js';
import { BATCH, numberedPut } from './session-routes.js';

const [socket = '', table = '', owner = '', count = ''] = process.argv.slice(2);
const { client } = connectToSocket(socket);
const session = new SessionClient(client, Number(table), { owner, role: 'controller', electionId: 2 });
await session.untilStanding(true);
process.stdout.write('primary\n');
session.call.on('data', ({ batch }: { readonly batch: string }) => {
  process.stdout.write(`batch ${batch}\n`);
});
for (let first = 0; first < Number(count); first += BATCH) {
  const changes = Array.from({ length: BATCH }, (_, index) => numberedPut(first + index));
  if (!session.call.write({ changes: { changes } }))
    await new Promise((resolve) => session.call.once('drain', resolve));
}
