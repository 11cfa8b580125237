// The state directory that mcroute-launch prepares for what the program saves.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type Finished,
  LAUNCH,
  PROBE,
  TARGET,
  TARGET_ID,
  expectedId,
  itAsRoot,
  launchProbe,
  parseProbe,
  run,
} from '../support/launcher.js';

/** The program may have to save, whoever it runs as. */
const VARIABLE = 'MCROUTE_STATE_DIRECTORY';

/** Who owns a file, and its mode. */
function owner(path: string): string {
  const { uid, gid, mode } = statSync(path);
  return `${uid}:${gid} ${(mode & 0o777).toString(8)}`;
}

function told(finished: Finished): string | undefined {
  return parseProbe(finished).environment[VARIABLE];
}

describe('the state directory', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'launch-'));
    chmodSync(folder, 0o755);
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('is made with one of the table, which is for the user alone, and told to the program', () => {
    const directory = join(folder, 'all/tables');
    const umask = process.umask(0o077);
    const finished = launchProbe(['--table', '1051', ...TARGET, '--state-directory', directory]);
    process.umask(umask);
    assert.equal(told(finished), directory);
    assert.doesNotMatch(finished.stderr, /warning/);
    for (const path of [directory, join(folder, 'all')]) assert.equal(owner(path), '0:0 755');
    assert.equal(owner(join(directory, '1051')), `${expectedId}:${expectedId} 700`);
  });

  it('is that of the option, or else of the environment, or else of the unit', () => {
    const paths = ['option', 'own', 'unit'].map((name) => join(folder, name));
    const [option = '', own = '', unit = ''] = paths;
    const words = ['--table', '1052', ...TARGET];
    const ofUnit = { STATE_DIRECTORY: `${unit}:${folder}/other` };
    const both = { ...ofUnit, [VARIABLE]: own };
    assert.equal(told(launchProbe([...words, '--state-directory', option], both)), option);
    assert.equal(told(launchProbe(words, both)), own);
    assert.equal(told(launchProbe(words, { ...ofUnit, [VARIABLE]: '' })), unit);
    for (const path of paths) assert.equal(owner(join(path, '1052')), `${expectedId}:${expectedId} 700`);
  });

  it('is taken from the arguments of the program, where it stays', () => {
    const directory = join(folder, 'argument');
    const words = ['--table', '1053', `--state-directory=${directory}`];
    const launch = [LAUNCH, '--from-arguments', ...TARGET, '--'];
    assert.equal(told(run([...launch, ...PROBE, ...words])), directory);
    assert.equal(run([...launch, 'echo', ...words]).stdout, `${words.join(' ')}\n`);
  });

  it('is by default that of the system, for root', () => {
    const script = 'mount -t tmpfs none /var/lib && "$@" && stat -c "%u:%g %a" /var/lib/mcroute/1054 >&2';
    const launch = ['env', '-u', VARIABLE, LAUNCH, '--table', '1054', ...TARGET, '--', ...PROBE];
    const finished = run(['unshare', '--mount', 'sh', '-c', script, 'sh', ...launch]);
    assert.equal(told(finished), '/var/lib/mcroute');
    assert.match(finished.stderr, new RegExp(`^${expectedId}:${expectedId} 700$`, 'm'));
    assert.doesNotMatch(finished.stderr, /warning/);
  });

  it('that cannot be made is a warning, and the program is told of it if it was asked for', () => {
    const asked = launchProbe(['--table', '1055', ...TARGET, '--state-directory', '/proc/mcroute']);
    assert.equal(told(asked), '/proc/mcroute');
    assert.match(
      asked.stderr,
      /warning: user \w+ cannot save what the table is told in \/proc\/mcroute\/1055 \(mkdir: .*\/proc\/mcroute\): .*--state-directory/,
    );
    const script = 'mount -t tmpfs -o ro none /var/lib && exec "$@"';
    const launch = ['env', '-u', VARIABLE, LAUNCH, '--table', '1055', ...TARGET, '--', ...PROBE];
    const byDefault = run(['unshare', '--mount', 'sh', '-c', script, 'sh', ...launch]);
    assert.equal(told(byDefault), undefined);
    assert.match(byDefault.stderr, /warning: .*\/var\/lib\/mcroute\/1055 \(mkdir: .*\), so it ends with the program: /);
  });

  itAsRoot('changes the owner of what is empty, and of nothing that another program uses', () => {
    const directory = join(folder, 'used');
    mkdirSync(join(directory, '1056'), { recursive: true });
    mkdirSync(join(directory, '1057/saved'), { recursive: true });
    const words = [...TARGET, '--state-directory', directory];
    assert.doesNotMatch(launchProbe(['--table', '1056', ...words]).stderr, /warning/);
    assert.equal(statSync(join(directory, '1056')).uid, TARGET_ID);
    const finished = launchProbe(['--table', '1057', ...words]);
    assert.equal(told(finished), directory);
    assert.match(
      finished.stderr,
      /warning: user \w+ cannot save .*used\/1057 \(.*\): `install -d .*-o \w+ .*used\/1057`/,
    );
    assert.equal(statSync(join(directory, '1057')).uid, 0);
  });

  itAsRoot('of a table is not followed through a symbolic link', () => {
    const directory = join(folder, 'linked');
    const target = join(folder, 'target');
    mkdirSync(directory);
    mkdirSync(target);
    symlinkSync(target, join(directory, '1058'));
    assert.equal(launchProbe(['--table', '1058', ...TARGET, '--state-directory', directory]).status, 0);
    assert.equal(statSync(target).uid, 0);
  });

  itAsRoot('has no default for other users', () => {
    const asUser = ['setpriv', '--reuid', '4242', '--regid', '4243', '--clear-groups'];
    const ambient = ['--inh-caps', '-all,+net_admin,+net_raw', '--ambient-caps', '-all,+net_admin,+net_raw'];
    const launch = ['env', '-u', VARIABLE, LAUNCH, '--table', '1059', '--', ...PROBE];
    const finished = run([...asUser, ...ambient, ...launch]);
    assert.equal(told(finished), undefined);
    assert.doesNotMatch(finished.stderr, /warning/);
  });
});
