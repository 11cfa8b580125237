// Runs every program as it is used, so that the code that V8 compiles then can be kept (scripts/bundle.mjs). Inside
// scripts/isolate.sh: the tables are of a namespace of its own, and so is /run.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAMS, ROOT, codeFile, learningWords } from './programs.mjs';

const TABLE = '77';
const LIMIT_MS = 30_000;
const POLL_MS = 5;

if (!existsSync('/run/mcroute-isolated')) throw new Error('run it with scripts/isolate.sh');
delete process.env.NODE_EXTRA_CA_CERTS;
// Agents drop their privileges, and write here all the same.
const folder = mkdtempSync('/run/rehearsal-');
chmodSync(folder, 0o777);
const path = (name) => join(folder, name);
const learning = (program, args) => ['node', ...learningWords(program, path(program), args)];
const launch = join(ROOT, 'native/build/Release/mcroute-launch');

await rehearseAgent();
await rehearseDaemon();
await rehearseSupervisor();
for (const program of Object.keys(PROGRAMS)) {
  // Renamed into place: never half of one, though /run may be another file system.
  copyFileSync(path(program), `${codeFile(program)}.new`);
  // For whoever agents run as.
  chmodSync(`${codeFile(program)}.new`, 0o644);
  renameSync(`${codeFile(program)}.new`, codeFile(program));
}

async function rehearseAgent() {
  const [socket, state] = [path(`${TABLE}.sock`), path('state')];
  mkdirSync(state);
  const args = ['--table', TABLE, '--socket', socket, '--state-directory', state];
  const first = [launch, '--from-arguments', '--signalling', '--'];
  await whileServing([...first, ...learning('mcroute-agent', args)], socket, async () => {
    changeRoutes(socket);
    // It may be of another user, whom a root without capabilities is not.
    chmodSync(socket, 0o666);
    await rehearseGateway();
  });
}

/** Before the agent, as whose user it runs: it must reach the agent's socket. */
async function rehearseGateway() {
  const [socket, configuration] = [path('gateway.sock'), path('gateway.yaml')];
  writeFileSync(configuration, `listen: [{ unix: ${socket} }]\naudit: { file: ${path('audit.log')} }\n`);
  const first = [launch, '--unprivileged', '--'];
  const args = ['--config', configuration, '--runtime-directory', folder];
  await whileServing([...first, ...learning('mcroute-gateway', args)], socket, () => changeRoutes(socket));
}

function changeRoutes(socket) {
  const mcctl = (...words) => runToEnd(learning('mcctl', ['--socket', socket, '--table', TABLE, ...words]));
  mcctl('add', 'lo', '239.1.1.1', 'a', 'b');
  mcctl('show');
  mcctl('remove', 'lo', '239.1.1.1');
}

async function rehearseDaemon() {
  const socket = path('daemon.sock');
  const configuration = path('smcroute.conf');
  writeFileSync(configuration, 'mroute from lo group 239.1.1.4 to a\n');
  const args = ['-n', '-t', TABLE, '-u', socket, '-f', configuration, '-P', path('daemon.pid')];
  const first = [launch, '--smcrouted', '--signalling', '--'];
  const smcroutectl = (...words) => runToEnd(learning('smcroutectl', ['-u', socket, ...words]));
  await whileServing([...first, ...learning('smcrouted', args)], socket, () => {
    smcroutectl('add', 'lo', '239.1.1.1', 'a');
    smcroutectl('show');
    smcroutectl('remove', 'lo', '239.1.1.1');
  });
}

async function rehearseSupervisor() {
  const configuration = path('mcroute.yaml');
  writeFileSync(configuration, 'tables: []\n');
  const directories = ['--state-directory', path('states'), '--runtime-directory', path('run')];
  const args = ['--config', configuration, ...directories];
  await whileServing(learning('mcroute-supervisor', args), path('run/supervisor.sock'), () => undefined);
}

/** Starts a program, does something when it takes connections, and ends it in order. */
async function whileServing([program, ...args], socket, act) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const deadline = Date.now() + LIMIT_MS;
  while (!(await answers(socket))) {
    if (isOver() || Date.now() > deadline) throw new Error(`${args.join(' ')} does not serve: ${said}`);
    await sleep(POLL_MS);
  }
  await act();
  child.kill('SIGTERM');
  const status = await ended;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${said}`);
}

function answers(socket) {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

function runToEnd([program, ...args]) {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: LIMIT_MS });
}
