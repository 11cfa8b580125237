// mcroute-launch --unprivileged, as it starts the gateway: another user, and nothing that it could do as root.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import {
  BASE_ENVIRONMENT,
  LAUNCH,
  PROBE,
  TARGET,
  expectedId,
  isRootless,
  itAsRoot,
  launchProbe,
  parseProbe,
  run,
} from '../support/launcher.js';
import { waitForExit, waitForLine, within } from '../support/wait.js';

const NOTHING = '0000000000000000';
const CAPABILITY_LINES = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

/** Says that it runs, and never ends. */
const PROGRAM = ['sh', '-c', 'echo "it runs"; exec tail -f /dev/null'];

describe('a program without a table', () => {
  it('is the user, has no capability and no way to one, and no descriptor', () => {
    const answer = parseProbe(launchProbe(['--unprivileged', ...TARGET]));
    assert.deepEqual(answer.uids, Array(3).fill(expectedId));
    assert.deepEqual(answer.gids, Array(3).fill(expectedId));
    for (const line of CAPABILITY_LINES) assert.deepEqual(answer.status[line], [NOTHING], line);
    assert.deepEqual(answer.status['NoNewPrivs'], ['1']);
    assert.equal(answer.rawSocket, 'EPERM');
    assert.equal(answer.umask, 0o007);
    assert.deepEqual(answer.fds, {});
  });

  it('that stays root can do no more', () => {
    const answer = parseProbe(launchProbe(['--unprivileged', '--user', 'root']));
    assert.deepEqual(answer.uids, [0, 0, 0]);
    for (const line of CAPABILITY_LINES) assert.deepEqual(answer.status[line], [NOTHING], line);
    assert.equal(answer.rawSocket, 'EPERM');
  });

  itAsRoot('has none of the groups of who starts it', () => {
    const launch = [LAUNCH, '--unprivileged', ...TARGET, '--', ...PROBE];
    assert.deepEqual(parseProbe(run(['setpriv', '--groups', '7,8', ...launch])).groups, []);
  });

  it('disturbs none that has one', () => {
    const { status, stderr } = launchProbe(['--unprivileged', '--table', '1071', ...TARGET]);
    assert.equal(status, 64);
    assert.match(stderr, /^mcroute-launch: INVALID_FIELD: --unprivileged opens nothing: leave --table/m);
    assert.equal(launchProbe(['--unprivileged', '--signalling', ...TARGET]).status, 64);
  });

  it('does not begin as a user that is not there', () => {
    const { status, stderr } = launchProbe(['--unprivileged', '--user', 'no-such-user']);
    assert.equal(status, 64);
    assert.match(stderr, /^mcroute-launch: UNKNOWN_USER: .*no-such-user/m);
  });

  it('says what a user namespace keeps it from dropping, and nothing elsewhere', () => {
    const { stderr } = launchProbe(['--unprivileged', ...TARGET]);
    if (isRootless) assert.match(stderr, /the user stays root/);
    else assert.equal(stderr, '');
  });

  it('is killed with its parent by --die-with-parent, and does not begin under another', async () => {
    const launch = [LAUNCH, '--unprivileged', ...TARGET];
    const parent: ChildProcessByStdio<null, Readable, null> = spawn(
      'sh',
      ['-c', '"$@" & wait', 'sh', ...launch, '--die-with-parent', '--', ...PROGRAM],
      { env: BASE_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    await waitForLine(parent.stdout, /^it runs$/);
    parent.kill('SIGKILL');
    await waitForExit(parent);
    parent.stdout.resume();
    // Comes when the last process that has the output is gone.
    if (!parent.stdout.readableEnded) await within(once(parent.stdout, 'end'), 'the end of the program');
    assert.equal(run([...launch, '--die-with-parent=1', '--', ...PROBE]).status, null);
  });
});
