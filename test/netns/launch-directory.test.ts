// The runtime directory that mcroute-launch prepares for the program's socket.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  LAUNCH,
  itAsRoot,
  PROBE,
  TARGET,
  TARGET_ID,
  expectedId,
  launchProbe,
  parseProbe,
  run,
} from '../support/launcher.js';

describe('the runtime directory', () => {
  it('is made for the user, and told to the program', () => {
    const script = 'mount -t tmpfs none /run && umask 077 && "$@" && stat -c "%u:%g %a" /run/mcroute >&2';
    const launch = ['env', '-u', 'MCROUTE_RUNTIME_DIRECTORY', LAUNCH, '--table', '1041', ...TARGET, '--', ...PROBE];
    const finished = run(['unshare', '--mount', 'sh', '-c', script, 'sh', ...launch]);
    assert.equal(parseProbe(finished).environment['MCROUTE_RUNTIME_DIRECTORY'], '/run/mcroute');
    assert.match(finished.stderr, new RegExp(`^${expectedId}:${expectedId} 755$`, 'm'));
    assert.doesNotMatch(finished.stderr, /warning/);
  });

  itAsRoot('changes its owner only if it is empty', () => {
    const directory = mkdtempSync(join(tmpdir(), 'launch-'));
    try {
      chmodSync(directory, 0o755);
      const empty = join(directory, 'empty');
      const used = join(directory, 'used');
      mkdirSync(empty, { mode: 0o755 });
      mkdirSync(join(used, 'other-agent'), { recursive: true, mode: 0o755 });
      const option = ['--table', '1042', ...TARGET, '--runtime-directory'];
      assert.equal(launchProbe([...option, empty]).status, 0);
      assert.equal(statSync(empty).uid, TARGET_ID);
      const finished = launchProbe([...option, used]);
      assert.equal(parseProbe(finished).environment['MCROUTE_RUNTIME_DIRECTORY'], used);
      assert.equal(statSync(used).uid, 0);
      assert.match(finished.stderr, /warning: user \w+ cannot make a socket in .*used.*`chown .*--runtime-directory/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('that cannot be made is a warning', () => {
    const finished = launchProbe(['--table', '1043', ...TARGET, '--runtime-directory', '/nonexistent/mcroute']);
    assert.equal(finished.status, 0);
    assert.match(finished.stderr, /warning: the runtime directory \/nonexistent\/mcroute cannot be prepared \(mkdir: /);
  });
});
