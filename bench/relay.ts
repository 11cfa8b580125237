// What the gateway adds to the way to an agent: the same changes straight to the agent's socket, and through the gateway.
import { connect as connectHttp2 } from 'node:http2';
import { dirname } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { connectToGateway, connectToSocket, deadlineAfter } from '../src/api/client.js';
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import type { ModifyResponse__Output } from '../src/api/generated/mcroute/v1/ModifyResponse.js';
import { startAgent } from '../test/support/agent.js';
import { type Lab, makeLab } from '../test/support/certificates.js';
import { type Gateway, startGateway } from '../test/support/gateway.js';
import { routerTopology } from '../test/support/topology.js';
import { waitForEvent } from '../test/support/wait.js';
import { BATCH, BATCHES_AHEAD, type Client, OWNER, VIEW, applyAll } from './calls.js';
import { cpuSeconds, peakRss, resetPeak, rss } from './processes.js';
import type { Report, Row, SectionOptions } from './report.js';
import { puts, withThreshold } from './routes.js';
import { type Bar, compare } from './statistics.js';

const TABLE = 362;
/** Routes, each of which is changed so often in a run: the time of a CPU is told in steps of 10 ms. */
const ROUTES = 10_000;
const TURNS = 6;
const LIMIT_MS = 120_000;

/** One run each before any counts: V8 compiles what has run often. */
const WARM_UP = 2;

const CONNECTIONS = 256;
/** Of one identity the gateway takes so many at once. */
const CONNECTIONS_PER_IDENTITY = 32;
const ADDRESS = { host: '127.0.0.1', port: 7790 };

const ADDED_BAR: Bar = { timesLimit: 1.1 };
/** The gateway of a host that is attacked must stay under it, too. */
const MEMORY_BAR: Bar = { atMost: 150 };

const CONFIGURATION = `
listen: [{ unix: ROOT/gateway.sock }, { tcp: "${ADDRESS.host}:${ADDRESS.port}" }]
tls: { certificate: ROOT/server.crt, key: ROOT/server.key, client-ca: ROOT/clients.crt }
policy: ROOT/policy.yaml
limits: { writes-per-second: 1000000, write-burst: 1000000, connections-per-address: 0 }
`;

const POLICY = `rules: [{ identity: ["uid:*", "spiffe://**"], role: admin }]\n`;

/** How the agent is reached. */
const WAYS = ['straight', 'unix', 'tls'] as const;
type Way = (typeof WAYS)[number];

/** Makes all changes of a run. */
type Work = (client: Client, changes: readonly Change[]) => Promise<void>;

const WORKS: Readonly<Record<string, Work>> = {
  [`Modify, batches of ${BATCH}`]: modifyAll,
  [`Apply of ${BATCH}`]: (client, changes) => applyAll(client, changes, TABLE),
};

/** Microseconds a change, a number for each round. */
interface Found {
  readonly wall: number[];
  /** Of all processes: the client, the agent, and the gateway. */
  readonly cpu: number[];
  /** Of the gateway alone. */
  readonly gateway: number[];
}

export async function relay({ rounds = 7, count = ROUTES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  const lab = await makeLab();
  using agent = await startAgent(topology.router, { table: TABLE });
  using gateway = await startGateway({
    runtimeDirectory: dirname(agent.socketPath),
    configuration: CONFIGURATION,
    files: {
      'server.crt': lab.server.certificate,
      'server.key': lab.server.key,
      'clients.crt': lab.ca.certificate,
      'policy.yaml': POLICY,
    },
  });
  const memory = { idle: rss(gateway.pid), connected: await withConnections(gateway, lab) };
  using straight = connectToSocket(agent.socketPath);
  using unix = connectToSocket(gateway.socketPath);
  using tls = connectToGateway(`dns:localhost:${ADDRESS.port}`, await secure(lab));
  const clients: Readonly<Record<Way, Client>> = { straight: straight.client, unix: unix.client, tls: tls.routing };
  // Other content each time, so that every change comes to the kernel.
  const [first, second] = [puts(0, count, withThreshold(2)), puts(0, count, withThreshold(3))];
  const changes = Array.from({ length: TURNS }, (_, turn) => (turn % 2 === 0 ? first : second)).flat();
  await applyAll(straight.client, second, TABLE);

  const rows: Row[] = [];
  resetPeak(gateway.pid);
  for (const [what, work] of Object.entries(WORKS)) {
    const found: Record<Way, Found> = { straight: nothing(), unix: nothing(), tls: nothing() };
    for (let round = -WARM_UP; round < rounds; round++) {
      tell(`relay: ${what}, ${round < 0 ? 'not counted yet' : `round ${round + 1} of ${rounds}`}`);
      // Nobody is always the first.
      for (let turn = 0; turn < WAYS.length; turn++) {
        const way = WAYS[(turn + round + WARM_UP) % WAYS.length] ?? 'straight';
        const times = await measure(() => work(clients[way], changes), [agent.pid, gateway.pid]);
        if (round < 0) continue;
        found[way].wall.push((times.wallSeconds * 1e6) / changes.length);
        found[way].cpu.push((times.cpuSeconds * 1e6) / changes.length);
        found[way].gateway.push((times.lastSeconds * 1e6) / changes.length);
      }
    }
    rows.push(...rowsOf(what, found));
  }
  const mostMb = peakRss(gateway.pid);
  await gateway.stop();
  await agent.stop();
  return {
    title: `${changes.length} changes of ${count} routes, by way of the gateway, median of ${rounds} alternating runs`,
    limit: 'straight to the agent',
    rows: [
      ...rows,
      compare({ what: 'memory of the gateway, idle', unit: 'MB', mcroute: [memory.idle], bar: MEMORY_BAR }),
      compare({
        what: `with ${CONNECTIONS} connections by TLS`,
        unit: 'MB',
        mcroute: [memory.connected],
        bar: MEMORY_BAR,
      }),
      compare({ what: 'at most in the runs above', unit: 'MB', mcroute: [mostMb], bar: MEMORY_BAR }),
    ],
    notes: ['CPU is that of the client, the agent and the gateway together'],
    figures: { routes: count, changes: changes.length },
  };
}

function nothing(): Found {
  return { wall: [], cpu: [], gateway: [] };
}

function rowsOf(what: string, { straight, unix, tls }: Readonly<Record<Way, Found>>): Row[] {
  const unit = 'us/route';
  return [
    compare({ what: `${what}: time, unix socket`, unit, mcroute: unix.wall, limit: straight.wall, bar: ADDED_BAR }),
    compare({ what: 'time, TLS', unit, mcroute: tls.wall, limit: straight.wall }),
    compare({ what: 'CPU, unix socket', unit, mcroute: unix.cpu, limit: straight.cpu, bar: ADDED_BAR }),
    compare({ what: 'CPU, TLS', unit, mcroute: tls.cpu, limit: straight.cpu }),
    compare({ what: 'CPU of the gateway alone, unix socket', unit, mcroute: unix.gateway }),
    compare({ what: 'CPU of the gateway alone, TLS', unit, mcroute: tls.gateway }),
  ];
}

interface Times {
  readonly wallSeconds: number;
  /** Of this process and the others. */
  readonly cpuSeconds: number;
  /** Of the last of the others. */
  readonly lastSeconds: number;
}

async function measure(work: () => Promise<void>, pids: readonly number[]): Promise<Times> {
  const others = () => pids.map(cpuSeconds);
  const [before, own, begin] = [others(), process.cpuUsage(), performance.now()];
  await work();
  const wallSeconds = (performance.now() - begin) / 1e3;
  const { user, system } = process.cpuUsage(own);
  const spent = others().map((seconds, index) => seconds - (before[index] ?? 0));
  return {
    wallSeconds,
    cpuSeconds: spent.reduce((sum, seconds) => sum + seconds, (user + system) / 1e6),
    lastSeconds: spent.at(-1) ?? 0,
  };
}

/** One session that sends batches, some of them on their way at once, until every one has its results, and is well. */
async function modifyAll(client: Client, changes: readonly Change[]): Promise<void> {
  const call = client.Modify({ deadline: deadlineAfter(LIMIT_MS) });
  let [next, answered] = [0, 0];
  const sendBatch = () => {
    if (next >= changes.length) return;
    call.write({ changes: { changes: changes.slice(next, next + BATCH) } });
    next += BATCH;
  };
  const done = new Promise<void>((resolve, reject) => {
    call.on('error', reject);
    call.on('data', ({ session, added, changed, unchanged, refused, error }: ModifyResponse__Output) => {
      if (refused > 0 || error !== null) call.destroy(new Error(`${refused} changes were refused`));
      // The answer to the session is the sign to begin.
      if (session !== null) for (let ahead = 0; ahead < BATCHES_AHEAD; ahead++) sendBatch();
      const count = added + changed + unchanged;
      if (count === 0) return;
      answered += count;
      sendBatch();
      if (answered === changes.length) call.end();
    });
    call.on('end', resolve);
  });
  call.write({ table: TABLE, session: { owner: OWNER, results: VIEW } });
  await done;
  if (answered !== changes.length) throw new Error(`${answered} of ${changes.length} changes were made`);
}

async function secure(lab: Lab) {
  const { key, certificate } = await lab.client('spiffe://bench/client');
  return credentials.createSsl(Buffer.from(lab.ca.certificate), Buffer.from(key), Buffer.from(certificate));
}

/** MB that the gateway takes with as many connections as it lets in by default. */
async function withConnections(gateway: Gateway, lab: Lab): Promise<number> {
  const sessions = [];
  for (let identity = 0; identity < CONNECTIONS / CONNECTIONS_PER_IDENTITY; identity++) {
    const { key, certificate } = await lab.client(`spiffe://bench/${identity}`);
    for (let turn = 0; turn < CONNECTIONS_PER_IDENTITY; turn++) {
      const options = { ...ADDRESS, ca: lab.ca.certificate, key, cert: certificate, ALPNProtocols: ['h2'] };
      const session = connectHttp2('https://localhost', {
        createConnection: () => connectTls({ ...options, servername: 'localhost' }),
      });
      // It has been let in, and is served.
      await waitForEvent(session, 'remoteSettings');
      sessions.push(session);
    }
  }
  const takenMb = rss(gateway.pid);
  const gone = sessions.map((session) => waitForEvent(session, 'close'));
  for (const session of sessions) session.destroy();
  await Promise.all(gone);
  return takenMb;
}
