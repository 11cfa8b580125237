// The commands of docs/migrating-from-smcroute.md: those of one line do the same, each at an agent of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Agent, type Result, startAgent } from '../support/agent.js';
import { shellWords, tableRows } from '../support/guide.js';
import { projectFile } from '../support/launcher.js';
import { type Namespace, openNamespace, plainEnvironment } from '../support/namespaces.js';
import { waitForExit } from '../support/wait.js';
import { TableClient } from './table-client.js';

const GUIDE = readFileSync(projectFile('docs/migrating-from-smcroute.md'), 'utf8');

/** The lines that run something on both sides. */
const LINES = tableRows(GUIDE, ['smcroutectl', 'mcctl']).filter(([first = '']) => first.startsWith('smcroutectl '));

interface KernelEntry {
  readonly src?: string;
  readonly dst: string;
  readonly iif?: string;
  readonly multipath?: readonly { readonly oif: string }[];
}

describe('the commands of smcroutectl and of mcctl in the guide', () => {
  let host: Namespace;
  let peer: Agent;
  let own: Agent;

  before(async () => {
    host = openNamespace('host');
    for (const name of ['eth0', 'eth1', 'eth2']) {
      host.ip(`link add ${name} type veth peer name peer-${name}`, `link set dev peer-${name} up`);
      host.setUp(name);
    }
    // Each has a file, which is not there, to be able to read it again.
    const args = ['--star-g', 'learn', '--file', '/run/not-there.conf'];
    peer = await startAgent(host, { table: 123, args });
    own = await startAgent(host, { table: 124, args });
  });
  after(() => {
    for (const agent of [peer, own]) agent[Symbol.dispose]();
    host[Symbol.dispose]();
  });

  const control = (words: readonly string[]): Result => {
    const { status, stdout, stderr } = spawnSync(
      projectFile('bin/smcroutectl'),
      ['-u', peer.socketPath, ...words.slice(1)],
      { encoding: 'utf8', env: plainEnvironment(), timeout: 60_000 },
    );
    return { status, stdout, stderr };
  };
  /** What was asked for, and what the kernel has of it. */
  const stateOf = async (agent: Agent) => {
    const entries = await new TableClient(agent).entries();
    const kernel = ['-4', '-6'].flatMap((family) =>
      (host.ipJson(`${family} mroute show table ${agent.table}`) as readonly KernelEntry[])
        .map(({ src, dst, iif, multipath = [] }) => `(${src ?? '*'},${dst}) ${iif ?? ''} ${JSON.stringify(multipath)}`)
        .sort(),
    );
    return { wishes: entries.map(({ resource, owners, state }) => ({ resource, owners, state })), kernel };
  };

  it('are there', () => {
    const verbs = new Set(LINES.map(([line = '']) => line.split(' ')[1]));
    for (const verb of ['add', 'remove', 'join', 'leave', 'show', 'flush', 'reload', 'kill'])
      assert.ok(verbs.has(verb), verb);
  });

  for (const [theirs = '', ours = ''] of LINES) {
    const ends = theirs.endsWith(' kill');
    it(`${theirs}: ${ours}`, async () => {
      const ended = ends ? Promise.all([waitForExit(peer.process), waitForExit(own.process)]) : undefined;
      const before = await stateOf(own);
      const [first, second] = [control(shellWords(theirs)), own.mcctl(...shellWords(ours).slice(1))];
      assert.deepEqual([first.status, first.stderr], [0, ''], theirs);
      assert.equal(second.status, 0, `${ours}: ${second.stderr}`);
      if (ended !== undefined) {
        assert.deepEqual(await ended, [0, 0]);
        return;
      }
      const now = await stateOf(own);
      assert.deepEqual(await stateOf(peer), now);
      // A line that is to change something does.
      const isChange = /^smcroutectl (add|rem|del|join|leave)/.test(theirs);
      if (isChange) assert.notDeepEqual(now, before);
      if (/ (show|s) /.test(`${theirs} `) && !theirs.endsWith(' p')) assert.notEqual(first.stdout, '');
    });
  }
});
